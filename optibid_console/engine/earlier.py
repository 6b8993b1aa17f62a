"""How long the same steps took in earlier windows: read from their journals, for the estimates."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from optibid_console import entries as e
from optibid_console import paths
from optibid_console.engine.ledger import Ledger
from optibid_console.journal.excerpt import excerpt
from optibid_console.journal.journal import JournalError
from optibid_console.journal_place import Address, Place
from optibid_console.runbook.model import Runbook, StepKind

log = logging.getLogger(__name__)

MOST_JOURNALS = 30
"""So many are looked into, the newest first."""
MOST_WINDOWS = 5
"""The medians are of so many windows at most."""
MOST_BYTES = 256_000_000
"""A longer journal isn't read: it would take seconds."""
MOST_S = 30.0
"""After so many seconds no other journal is looked into."""
_KINDS = (
    e.WindowOpened,
    e.RunbookAccepted,
    e.StepStarted,
    e.StepFinished,
    e.ArtifactRecorded,
)


class Earlier:
    """Looks at earlier windows once, when an engine starts."""

    def __init__(self, ledger: Ledger, team: Address | None = None) -> None:
        """`team`: the window's journal, where a team's database keeps it and those before."""
        self._ledger = ledger
        self._team = team

    async def run(self) -> None:
        """Record what they measured, if that isn't known yet. A rehearsal needs it too."""
        state, book = self._ledger.state, self._ledger.state.runbook
        if book is None or state.closed is not None:
            return
        found = await asyncio.to_thread(
            lambda: measured_before(
                book, state.window_id,
                [*journals_in(self._team), *journals_beside(self._ledger.path)],
            )
        )  # fmt: skip
        if found is not None and found != state.earlier:
            await self._ledger.keep(found)


@dataclass(frozen=True, slots=True)
class _Took:
    """How long a step took in one window, at its last time."""

    seconds: float
    digest: str
    restored_bytes: int = 0


@dataclass(slots=True)
class _Window:
    """What one journal says."""

    window_id: str = ""
    name: str = ""
    at: float = 0.0
    steps: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Step id → its table in the runbook that the window went by then."""
    took: dict[str, _Took] = field(default_factory=dict)


def command_digest(on: str, cwd: str, run: str) -> str:
    """Of what a step runs and where: a step that was changed since isn't the same any more."""
    return hashlib.sha256(f"{on}\0{cwd}\0{run}".encode()).hexdigest()[:16]


def measured_before(
    runbook: Runbook, window_id: str, journals: Sequence[Place]
) -> e.WindowsMeasured | None:
    """The medians of the last windows of this name, for steps that are still the same; None:
    there is nothing. Reads files: call it in a thread."""
    windows: list[_Window] = []
    ends = time.monotonic() + MOST_S
    for path in journals[:MOST_JOURNALS]:
        window = _read(path, runbook.window.name)
        known = [one.window_id for one in windows]
        if window is None or window.window_id in (window_id, *known):
            continue
        if _same(window, runbook):
            windows.append(window)
        if len(windows) == MOST_WINDOWS or time.monotonic() > ends:
            break
    steps = _medians([_same(one, runbook) for one in windows])
    if not steps:
        return None
    at = max(one.at for one in windows)
    return e.WindowsMeasured(tuple(one.window_id for one in windows), at, steps)


def _medians(windows: list[dict[str, _Took]]) -> dict[str, e.StepMeasured]:
    steps = {}
    for step_id in dict.fromkeys(one for took in windows for one in took):
        found = [took[step_id] for took in windows if step_id in took]
        rates = [one.restored_bytes / one.seconds for one in found
                 if one.restored_bytes and one.seconds]  # fmt: skip
        steps[step_id] = e.StepMeasured(
            round(median(one.seconds for one in found), 3), len(found),
            round(median(rates), 1) if len(rates) == len(found) else 0.0,
        )  # fmt: skip
    return steps


def _same(window: _Window, runbook: Runbook) -> dict[str, _Took]:
    """What it measured of steps that run the same command in the same place today."""
    found = {}
    for step_id, took in window.took.items():
        step = runbook.step(step_id)
        if step is not None and command_digest(step.on, step.cwd, step.run) == took.digest:
            found[step_id] = took
    return found


def journals_in(team: Address | None) -> list[Address]:
    """The journals of earlier windows in a team's database, the newest first; none while it is
    away. Asks a server: call it in a thread."""
    if team is None:
        return []
    from optibid_console.journal import postgres_link, postgres_table

    try:
        with postgres_link.reading(team) as db:
            return [team.named(name) for name in
                    postgres_table.before(db, team.window, MOST_JOURNALS)]  # fmt: skip
    except JournalError as error:
        log.warning("earlier windows can't be read for the estimates: %s", error)
        return []


def journals_beside(own: Path) -> list[Path]:
    """The journals in the windows' directory and beside the window's own, the newest first."""
    found: dict[Path, float] = {}
    for place in {paths.windows_dir(), own.parent}:
        for path in place.glob("*.journal"):
            try:
                status = path.stat()
            except OSError:  # it has gone meanwhile
                continue
            if path.resolve() != own.resolve() and status.st_size <= MOST_BYTES:
                found[path.resolve()] = status.st_mtime
    return sorted(found, key=lambda one: found[one], reverse=True)


def _read(path: Place, name: str) -> _Window | None:
    """What a journal says of a window of this name; None: it is another's, a rehearsal's, or
    can't be read, which is no reason to have no estimate at all."""
    window = _Window()
    restored: dict[str, int] = {}
    runs: dict[str, str] = {}
    try:
        for at, kind, body in excerpt(path, tuple(e.kind_of(one) for one in _KINDS)):
            if kind == "window-opened":
                window.window_id, window.name = str(body["window_id"]), str(body["name"])
                if window.name != name or body.get("rehearsal"):
                    return None
            if kind in ("window-opened", "runbook-accepted"):
                window.steps = dict(_steps(body["runbook"]))
            elif kind == "artifact-recorded":
                restored[str(body["name"])] = int(body["size_bytes"])
            elif kind == "step-started":
                runs[str(body["run_id"])] = str(body["kind"])
            elif body["outcome"] == e.Outcome.SUCCEEDED:
                by_hand = runs.get(str(body["run_id"]), StepKind.MANUAL) == StepKind.MANUAL
                if not by_hand:
                    _keep(window, body, restored, at)
            time.sleep(0)  # in `to_thread`: the loop's thread may want its turn
    except (JournalError, KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("%s can't be read for the estimates: %s", path, error)
        return None
    return window


def _keep(window: _Window, body: Mapping[str, Any], restored: dict[str, int], at: float) -> None:
    step_id = str(body["step_id"])
    step = window.steps.get(step_id, {})
    size = restored.get(str(step.get("database")), 0) if step.get("kind") == "restore" else 0
    digest = command_digest(*(str(step.get(key, "")) for key in ("on", "cwd", "run")))
    window.took[step_id] = _Took(float(body["duration_s"]), digest, size)
    window.at = at


def _steps(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for section in ("phases", "actions"):
        for parent in document[section]:
            for step in parent["steps"]:
                yield str(step["id"]), step
