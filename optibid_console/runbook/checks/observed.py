"""What must hold of what is looked at: probes, panels, tails and criteria."""

from __future__ import annotations

from optibid_console.criteria import LONGEST_HOLD, Clause, needed_gap_s, parse
from optibid_console.runbook.checks.checker import Checker
from optibid_console.runbook.layout import Registry
from optibid_console.runbook.model import Criterion, PanelSpec, ProbeSpec
from optibid_console.runbook.positions import KeyPath

_NEVER_AWAY = ("command", "prometheus")
"""Kinds whose readings say only that something is wrong."""
_UNITS = ("", "ms", "s", "ratio", "percent", "bytes", "count", "per_s")


def check_observed(look: Checker, registry: Registry) -> None:
    """Note probes, panels and tails that name nothing or can't be read."""
    for probe in look.book.probes.values():
        path: KeyPath = ("probes", probe.id)
        look.name((*path, "on"), "target", probe.on, look.book.targets)
        look.service((*path, "service"), probe.service)
        look.positive(path, probe.every, probe.timeout)
        look.names((*path, "brought_by"), "step", probe.brought_by, look.all_steps)
    for panel in look.book.panels.values():
        path = ("panels", panel.id)
        look.name((*path, "on"), "target", panel.on, look.book.targets)
        look.service((*path, "service"), panel.service)
        look.positive(path, panel.every, panel.timeout)
        _panel(look, path, panel)
    for tail in look.book.tails.values():
        path = ("tails", tail.id)
        look.name((*path, "on"), "target", tail.on, look.book.targets)
        look.service((*path, "service"), tail.service)
        kinds = registry.tail_kinds()
        look.name((*path, "kind"), "kind", tail.kind, kinds)
        wanted = {"file": "path", "container": "container"}.get(tail.kind)
        if wanted and not getattr(tail, wanted):
            look.problems.add((*path, wanted), f'{wanted} is missing: kind is "{tail.kind}"')


def _panel(look: Checker, path: KeyPath, panel: PanelSpec) -> None:
    if panel.unit not in _UNITS:
        look.problems.no_such((*path, "unit"), "unit", panel.unit, _UNITS[1:])
    for warn, fail, sign in (
        ("warn_above", "fail_above", 1),
        ("warn_below", "fail_below", -1),
    ):
        low, high = getattr(panel, warn), getattr(panel, fail)
        if low is not None and high is not None and low * sign > high * sign:
            look.problems.add((*path, warn), f"warns only after {fail} ({high:g})", low)


def check_criteria(look: Checker) -> None:
    """Note criteria that can't be parsed, or judge what isn't there."""
    criteria = look.book.criteria
    look.unique("criterion", ((("criteria", i), one.id) for i, one in enumerate(criteria)))
    for index, criterion in enumerate(criteria):
        path: KeyPath = ("criteria", index)
        look.name((*path, "active_from"), "phase", criterion.active_from, look.phase_ids)
        look.service((*path, "service"), criterion.service)
        if not criterion.fail_when:
            continue
        where = (*path, "fail_when")
        try:
            clauses = parse(criterion.fail_when)
        except ValueError as error:
            look.problems.add(where, str(error), criterion.fail_when)
            continue
        if criterion.as_before and not any(one.subject == "probe" for one in clauses):
            message = "is about probes; of a panel write `panel.ID > NUMBER * baseline`"
            look.problems.add((*path, "as_before"), message, criterion.as_before)
        for clause in clauses:
            known = look.book.panels if clause.subject == "panel" else look.book.probes
            look.name(where, clause.subject, clause.id, known)
            _can_hold(look, path, criterion, clause)


def _can_hold(look: Checker, path: KeyPath, criterion: Criterion, clause: Clause) -> None:
    """Note a `stale_after` that a healthy pace exceeds, and a `for` beyond what is kept."""
    known = look.book.panels if clause.subject == "panel" else look.book.probes
    spec = known.get(clause.id)
    if spec is None or spec.every <= 0 or spec.timeout <= 0:
        return
    if clause.op == "away" and isinstance(spec, ProbeSpec) and spec.kind in _NEVER_AWAY:
        message = f'a {spec.kind} can\'t tell no answer from a wrong one: write "is failing"'
        look.problems.add((*path, "fail_when"), message, criterion.fail_when)
    name, needed_s = f"{clause.subject}.{clause.id}", needed_gap_s(spec)
    if criterion.stale_after and criterion.stale_after < needed_s:
        message = (
            f"is too short to hold: {name} is read every {spec.every:g} s with a timeout of "
            f"{spec.timeout:g} s; leave it out, or give at least {needed_s:g}s"
        )
        look.problems.add((*path, "stale_after"), message, f"{criterion.stale_after:g}s")
    longest_s = LONGEST_HOLD * spec.every
    if criterion.hold_for > longest_s:
        message = f"can't be seen to hold: {name} is remembered for {longest_s:g} s"
        look.problems.add((*path, "for"), message, f"{criterion.hold_for:g}s")
