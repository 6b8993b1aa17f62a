"""`[services.NAME]`: the optional parts of a deployment, and those whose values are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from optibid_console.runbook.model import Runbook
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problem, Problems

NEEDS = "needs"
"""The key of `[services.NAME]` with the names that need a value for the part to be there."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A document with its absent optional parts left out."""

    document: Mapping[str, Any]
    absent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Absent part → the names without a value."""
    needed: frozenset[str] = frozenset()
    """Every name in a `needs`."""

    def without_empty(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Returns the values without the empty ones of needed names: those count as none."""
        return {name: one for name, one in values.items() if one or name not in self.needed}


def present_parts(
    document: Mapping[str, Any], values: Mapping[str, str], problems: Problems
) -> Parts:
    """Returns the document without each `[services.NAME]` whose `needs` lacks a value.

    An empty value counts as none. A `needs` that isn't a list of names is noted.
    """
    tables = document.get("services")
    if not isinstance(tables, Mapping):
        return Parts(document)
    absent: dict[str, tuple[str, ...]] = {}
    needed: set[str] = set()
    for name, table in tables.items():
        wanted = _needs(name, table, problems)
        needed.update(wanted)
        if missing := tuple(one for one in wanted if not values.get(one)):
            absent[name] = missing
    kept = {name: table for name, table in tables.items() if name not in absent}
    return Parts({**document, "services": kept}, absent, frozenset(needed))


def absences(parts: Parts, problems: Problems) -> Iterator[Problem]:
    """Yields a warning for each part that is left out for want of a value."""
    for name, missing in parts.absent.items():
        listed = ", ".join(f"${{{one}}}" for one in missing)
        said = f"no value for {listed}: nothing of it is checked, in no probe and no step"
        yield problems.warning(("services", name), said)


def unmeasured(whole: Runbook, problems: Problems) -> Iterator[Problem]:
    """Yields a warning for each criterion that an absent optional part would measure."""
    for index, one in enumerate(whole.criteria):
        if one.service and one.service not in whole.services:
            said = f"nothing measures it without [services.{one.service}]: a person asserts it"
            yield problems.warning(("criteria", index, "service"), said, one.service)


def _needs(name: str, table: Any, problems: Problems) -> tuple[str, ...]:
    wanted = table.get(NEEDS, []) if isinstance(table, Mapping) else []
    path: KeyPath = ("services", name, NEEDS)
    if isinstance(wanted, list) and all(isinstance(one, str) and one for one in wanted):
        return tuple(wanted)
    problems.add(path, 'expected a list of names, as ["REDIS_HOST"]', wanted)
    return ()
