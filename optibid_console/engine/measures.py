"""How long steps took in the last rehearsal of a window: kept for the estimates of a real one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from optibid_console import paths
from optibid_console.codec import from_plain, to_plain
from optibid_console.engine.earlier import command_digest
from optibid_console.engine.ledger import Ledger
from optibid_console.entries import Outcome, RehearsalMeasured
from optibid_console.runbook.model import Runbook, Step, StepKind
from optibid_console.state import WindowState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Took:
    """How long one step took."""

    seconds: float
    command: str
    """Of what was run, and where: a step that was changed since isn't measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one rehearsal has measured, as its file holds it."""

    window_id: str
    at: float
    steps: Mapping[str, Took]


class Measures:
    """Keeps what a rehearsal measures in its file; in a real window it does nothing."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._kept: Measured | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            seen = self._ledger.state
            if seen.rehearsal:
                await asyncio.to_thread(self._keep, seen)
            while self._ledger.state.seq == seen.seq:
                await self._ledger.changed()

    def _keep(self, state: WindowState) -> None:
        measured = measured_in(state)
        if not measured.steps or measured == self._kept:
            return
        try:
            write(measured, file_of(state.name))
        except OSError as error:  # the rehearsal goes on: its journal has it all the same
            log.warning("what was measured can't be kept: %s", error)
        self._kept = measured


def measured_in(state: WindowState) -> Measured:
    """The durations of the steps that were really done in this window. Pure."""
    steps: dict[str, Took] = {}
    at = 0.0
    for run in state.runs.values():
        step = state.runbook.step(run.step_id) if state.runbook else None
        done = run.ended is not None and run.ended.outcome is Outcome.SUCCEEDED
        if step is not None and step.kind is StepKind.RUN and run.ended is not None and done:
            steps[step.id] = Took(run.ended.duration_s, command_of(step))
            at = max(at, run.started_at + run.ended.duration_s)
    return Measured(state.window_id, round(at, 3), steps)


def command_of(step: Step) -> str:
    """A digest of what a step runs and where."""
    return command_digest(step.on, step.cwd, step.run)


def last_measured(runbook: Runbook) -> RehearsalMeasured | None:
    """What the last rehearsal of this window measured, as far as it still holds."""
    path = file_of(runbook.window.name)
    try:
        found = from_plain(Measured, json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # an estimate is no reason not to open the window
        log.warning("%s: what the last rehearsal measured can't be read: %s", path, error)
        return None
    durations = {}
    for step_id, took in found.steps.items():
        step = runbook.step(step_id)
        if step is not None and command_of(step) == took.command:
            durations[step_id] = took.seconds
    return RehearsalMeasured(found.window_id, found.at, durations) if durations else None


def file_of(window: str) -> Path:
    """Where what rehearsals of the window with this name measured is kept."""
    slug = re.sub(r"[^a-z0-9]+", "-", window.lower()).strip("-")[:40] or "window"
    key = hashlib.sha256(window.encode()).hexdigest()[:8]
    return paths.rehearsals_dir() / f"{slug}-{key}.json"


def write(measured: Measured, path: Path) -> None:
    """Replace the file; whoever reads it meanwhile gets the old one or the new one."""
    paths.write_private(path, json.dumps(to_plain(measured)))
