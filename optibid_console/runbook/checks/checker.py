"""The runbook that is looked at, and what every check of it needs: names that must be there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from optibid_console.runbook.layout import SERVICES
from optibid_console.runbook.model import (
    Action,
    Phase,
    Runbook,
    Step,
)
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems
from optibid_console.runbook.shell_text import REFERENCE
from probes.probe import Seconds

StepAt = tuple[KeyPath, Step]


def steps_at(runbook: Runbook) -> Iterator[StepAt]:
    """Every step of phases and actions with its key path."""
    owners: tuple[tuple[str, tuple[Phase | Action, ...]], ...] = (
        ("phases", runbook.phases),
        ("actions", runbook.actions),
    )
    for section, parents in owners:
        for index, parent in enumerate(parents):
            for number, step in enumerate(parent.steps):
                yield (section, index, "steps", number), step


class Checker:
    """Notes what is wrong with a runbook in its problems."""

    def __init__(self, runbook: Runbook, problems: Problems) -> None:
        self.book = runbook
        self.problems = problems
        self.phase_ids = tuple(one.id for one in runbook.phases)
        self.phase_steps = tuple(step.id for _, step in runbook.steps())
        self.all_steps = tuple(step.id for _, step in steps_at(runbook))

    def name(self, path: KeyPath, what: str, name: str, known: Iterable[str]) -> None:
        if name and name not in known and not REFERENCE.search(name):
            self.problems.no_such(path, what, name, known)

    def names(self, path: KeyPath, what: str, names: tuple[str, ...], known: Iterable[str]) -> None:
        for index, name in enumerate(names):
            self.name((*path, index), what, name, known)

    def service(self, path: KeyPath, name: str) -> None:
        self.name(path, "optional service", name, SERVICES)

    def positive(self, path: KeyPath, every: Seconds, timeout: Seconds) -> None:
        for key, value in (("every", every), ("timeout", timeout)):
            if value <= 0:
                self.problems.add((*path, key), "must be longer than 0", value)

    def unique(self, what: str, ids: Iterable[tuple[KeyPath, str]]) -> None:
        seen: dict[str, KeyPath] = {}
        for path, one in ids:
            if one and one in seen:
                self.duplicate(what, path, seen[one], one)
            seen.setdefault(one, path)

    def duplicate(self, what: str, path: KeyPath, first: KeyPath, name: str) -> None:
        place = self.problems.place((*first, "id"))
        self.problems.add((*path, "id"), f'the {what} "{name}" is there already: {place}', name)
