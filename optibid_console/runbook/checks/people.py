"""What must hold of the checklist and the escalation path."""

from __future__ import annotations

from optibid_console.runbook.checks.checker import Checker
from optibid_console.runbook.positions import KeyPath
from probes.probe import Seconds


def check_people(look: Checker) -> None:
    """Note check items and rungs that name nothing or stand twice."""
    sections = look.book.checklist
    look.unique("section", ((("checklist", i), one.id) for i, one in enumerate(sections)))
    items = []
    for index, section in enumerate(sections):
        path: KeyPath = ("checklist", index)
        look.name((*path, "phase"), "phase", section.phase, look.phase_ids)
        for number, item in enumerate(section.items):
            where = (*path, "items", number)
            items.append((where, item.id))
            look.name((*where, "probe"), "probe", item.probe, look.book.probes)
            look.service((*where, "service"), item.service)
    look.unique("item", items)
    after = Seconds(0)
    for index, rung in enumerate(look.book.escalation):
        look.name(("escalation", index, "contact"), "contact", rung.contact, look.book.contacts)
        if rung.after < after:
            message = "comes before the rung above it"
            look.problems.add(("escalation", index, "after"), message, f"{rung.after:g}s")
        after = rung.after
