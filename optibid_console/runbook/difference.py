"""How another runbook differs from a window's, as it is told to people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optibid_console.runbook.model import Runbook


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that another runbook changes for a window."""

    group: str
    """What it is about: `steps done`, `steps to come`, `probes`, …"""
    text: str
    """What changes, and what follows from it for the window."""
    details: tuple[str, ...] = ()
    """The keys that differ, a line each: `run: old → new`."""


@dataclass(frozen=True, slots=True)
class RunbookDifference:
    """How the config of a running engine differs from the runbook that its window goes by."""

    file: str
    digest: str
    """Of the runbook as it is read now; the runbook that goes into effect must have it."""
    secrets: tuple[str, ...] = ()
    """The names of secrets whose values have changed."""
    changes: tuple[Change, ...] = ()
    refused: str = ""
    """Why the window can't go on by it now; empty: it can."""

    @property
    def empty(self) -> bool:
        """Whether nothing has changed."""
        return not self.changes and not self.secrets


def measured_anew(old: Runbook, new: Runbook) -> frozenset[tuple[str, str]]:
    """Returns the probes and panels, as (`probe` or `panel`, id), whose readings say nothing any
    more under `new`: they are removed, or measure something else."""
    return frozenset((*_measured_anew("probe", old, new), *_measured_anew("panel", old, new)))


def _measured_anew(subject: str, old: Runbook, new: Runbook) -> Iterator[tuple[str, str]]:
    before: Mapping[str, Any] = old.probes if subject == "probe" else old.panels
    after: Mapping[str, Any] = new.probes if subject == "probe" else new.panels
    for name, spec in before.items():
        if name not in after or _measured(spec, old) != _measured(after[name], new):
            yield subject, name


def _measured(spec: Any, runbook: Runbook) -> tuple[object, ...]:
    """Returns what decides which thing a probe or a panel measures; not how it is judged or how
    often it is read."""
    kind = getattr(spec, "kind", "") or getattr(spec, "source", "")
    where = runbook.targets.get(spec.on)
    return kind, where, getattr(spec, "unit", ""), dict(spec.settings)
