"""The operations around runs: which step has one, and what its command reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from optibid_console.engine.ledger import Ledger
from optibid_console.engine.live_run import LiveRun
from optibid_console.engine.operations.operation import Operation
from optibid_console.engine.reports import Report
from optibid_console.entries import Outcome
from optibid_console.runbook.model import StepKind
from optibid_console.signals import Progress
from probes.text import one_line


class Operating:
    """Calls the operation of a step's kind, where it has one, around its run."""

    def __init__(self, ledger: Ledger, operations: Mapping[StepKind, Operation]) -> None:
        self._ledger = ledger
        self._operations = operations

    async def before(self, live: LiveRun) -> str:
        """Why the run must not start; empty when it may."""
        operation = self._operations.get(live.step.kind)
        return await operation.before(live) if operation else ""

    @asynccontextmanager
    async def watching(self, live: LiveRun) -> AsyncIterator[None]:
        """Watch the run for as long as the context lasts."""
        operation = self._operations.get(live.step.kind)
        watch = asyncio.create_task(operation.during(live)) if operation else None
        try:
            yield
        finally:
            if watch is not None:
                watch.cancel()
                await asyncio.wait({watch})
                if not watch.cancelled():
                    watch.result()  # a watch that broke is never silent

    def reported(self, live: LiveRun) -> None:
        """Take what the command has reported since the last time."""
        operation = self._operations.get(live.step.kind)
        for report in live.trail.reports.take():
            progress = progress_of(live.run_id, report)
            if progress is not None:
                self._ledger.signal(progress)
                continue
            live.reports.append(report)
            if operation:
                operation.report(live, report)

    async def after(self, live: LiveRun, outcome: Outcome, reason: str) -> tuple[Outcome, str]:
        operation = self._operations.get(live.step.kind)
        return await operation.after(live, outcome, reason) if operation else (outcome, reason)


def progress_of(run_id: str, report: Report) -> Progress | None:
    """The signal for `{"progress": {"done": …, "total": …, …}}`; None for another report."""
    said = report.get("progress")
    if not isinstance(said, Mapping):
        return None
    left = said.get("left_s")
    return Progress(
        run_id, _number(said.get("done")), _number(said.get("total")),
        one_line(str(said.get("unit", "bytes")), 20), _number(said.get("per_s")),
        None if left is None else _number(left), one_line(str(said.get("note", "")), 200),
    )  # fmt: skip


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e18 else 0.0
