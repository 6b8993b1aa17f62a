"""One step from its start to its evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from optibid_console import entries as e
from optibid_console.engine.driving import Driver, Patience
from optibid_console.engine.evidence import Evidence, TakeNow
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.live_run import LiveRun, judged, why_no_fact
from optibid_console.engine.operating import Operating
from optibid_console.engine.operations.operation import Operation
from optibid_console.engine.output import OutputTrail
from optibid_console.moment import Moment
from optibid_console.rehearsing import stand_in, why_walked, with_stand_ins
from optibid_console.runbook.model import Runbook, Step, StepKind
from optibid_console.runbook.model.targets import working_directory
from optibid_console.runbook.secrets import Secrets
from optibid_console.runbook.shell_text import fill
from optibid_console.state import RunState
from optibid_console.stop_points import reach
from optibid_console.targets.target import LaunchRefused, RunEnd, RunSpec, Target


class StepRunner:
    """Starts steps and sees them through, over dropped links and engine restarts."""

    def __init__(
        self,
        runbook: Runbook,
        ledger: Ledger,
        targets: Mapping[str, Target],
        secrets: Secrets,
        take_now: TakeNow,
        operations: Mapping[StepKind, Operation],
        patience: Patience | None = None,
    ) -> None:
        self._runbook = runbook
        self._ledger = ledger
        self._secrets = secrets
        self._operating = Operating(ledger, operations)
        self._driver = Driver(ledger, targets, self._operating, patience)
        self._evidence = Evidence(ledger, take_now)
        self._live: dict[str, LiveRun] = {}
        self._starting: dict[str, asyncio.Event] = {}
        """Steps whose start may be in the journal while they aren't live yet."""

    async def begin(self, step: Step, by: str, action_run: str = "", reason: str = "") -> LiveRun:
        """Record that the step starts. Raises `JournalError`; then nothing was started."""
        state = self._ledger.state
        attempt = state.step(step.id, action_run).attempt + 1
        part = f"{action_run}-{step.id}" if action_run else step.id
        run_id = f"{state.window_id}-{part}-{attempt}"
        command = fill(step.run, with_stand_ins(state, step.run)) if step.kind.launches else ""
        timeout_s = 0.0 if step.kind is StepKind.MANUAL else float(step.timeout)
        fact = e.StepStarted(
            step.id,
            run_id,
            attempt,
            step.kind,
            step.on,
            command,
            state.epoch,
            timeout_s,
            action_run,
            reason,
        )
        live = self._starting.setdefault(step.id, asyncio.Event())
        try:
            reach("before-step-started")
            await self._ledger.record(fact, by)
            reach("after-step-started")
            began = self._ledger.state.runs[run_id].began
            return self._alive(step, run_id, command, state.epoch, began)
        finally:
            self._starting.pop(step.id, None)
            live.set()

    def reattach(self, run: RunState) -> LiveRun | None:
        """A run whose step an earlier engine left without an outcome; None when that step is
        gone."""
        step = self._runbook.step(run.step_id)
        if step is None:
            return None
        live = self._alive(step, run.run_id, run.command, run.epoch, run.began)
        live.sent = True
        live.unreachable = step.kind.launches
        live.launched = run.launched
        live.ended = run.ended
        live.lost = run.ended.output_lost if run.ended else ""
        if run.abort_asked_by:
            live.aborted_by = run.abort_asked_by
            live.stop.set()
        return live

    async def see_through(self, live: LiveRun) -> e.Outcome:
        """Everything after the start, until the step's outcome is in the journal."""
        try:
            if live.ended is not None:
                reads = live.step.kind.is_operation or live.step.artifact
                if reads and not await self._driver.read_again(live):
                    why = f"{live.ended.reason}, but {live.step.on} doesn't give its output again"
                    return await self._after_end(live, e.Outcome.UNKNOWN, why)
                return await self._after_end(live, live.ended.outcome, live.ended.reason)
            if why := why_walked(self._ledger.state, live.step):
                return await self._walk(live, why)
            if live.step.kind.launches:
                return await self._command(live)
            if live.step.kind is StepKind.WAIT:
                return await self._wait(live)
            return await self._manual(live)
        finally:
            self._live.pop(live.run_id, None)

    async def abort(self, by: str, run_id: str = "") -> tuple[str, ...]:
        """Ask the runs under way (or the one named) to end; gives the steps concerned."""
        asked = []
        for live in list(self._live.values()):
            if run_id not in ("", live.run_id) or live.aborted_by or self._over(live):
                continue
            live.aborted_by = by
            await self._ledger.keep_soon(e.AbortAsked(live.run_id), by)
            live.stop.set()
            asked.append(live.step.id)
        return tuple(asked)

    def _over(self, live: LiveRun) -> bool:
        """Returns whether the journal has its step's outcome: an abort would end nothing."""
        state = self._ledger.state
        run = state.runs.get(live.run_id)
        step = state.steps.get(run.step_key) if run else None
        return step is not None and step.run_id == live.run_id and step.outcome is not None

    async def confirm(self, step_id: str, by: str, note: str) -> bool:
        """Confirm a manual step that waits for it, also one whose start was told this moment."""
        if step_id in self._starting:
            await self._starting[step_id].wait()
        for live in self._live.values():
            if live.step.id == step_id and live.step.kind is StepKind.MANUAL:
                live.note = f"confirmed by {by}: {note}" if note else f"confirmed by {by}"
                live.confirmed.set()
                return True
        return False

    def live(self) -> tuple[LiveRun, ...]:
        return tuple(self._live.values())

    def _alive(self, step: Step, run_id: str, command: str, epoch: int, began: Moment) -> LiveRun:
        env = self._secrets.env_for(command)
        window = self._ledger.state.window_id
        spec = RunSpec(
            run_id, command, epoch, float(step.timeout), env, self._cwd(step), window,
            step.read_only,
        )  # fmt: skip
        trail = OutputTrail(run_id, self._secrets.redactor)
        live = LiveRun(step, run_id, began, spec, trail)
        self._live[run_id] = live
        return live

    def _cwd(self, step: Step) -> str:
        target = self._runbook.targets.get(step.on)
        return working_directory(target.cwd if target else "", step.cwd)

    # A command

    async def _command(self, live: LiveRun) -> e.Outcome:
        if not live.sent:  # else an earlier engine may have launched it
            why_not = await self._operating.before(live)
            if why_not:
                return await self._finish(live, e.Outcome.REFUSED, why_not)
        try:
            async with self._operating.watching(live):
                end = await self._driver.until_ended(live)
        except LaunchRefused as refused:
            return await self._finish(live, e.Outcome.REFUSED, str(refused))
        return await self._ended(live, end)

    async def came_back(self, run: RunState, end: RunEnd) -> None:
        """A run that was gone without a trace, and whose target has its `end` after all.

        Raises `TargetError` when the link is lost again.
        """
        live = self.reattach(run)
        if live is None:
            return
        try:
            live.lost = str(end.lost or "")
            await self._driver.read_all(live)
            if run in self._ledger.state.unsettled_runs():  # nobody has settled it meanwhile
                await self._ended(live, end)
        finally:
            self._live.pop(live.run_id, None)

    async def _ended(self, live: LiveRun, end: RunEnd) -> e.Outcome:
        """Everything after the target has said how the command ended."""
        reach("after-end-known")
        self._driver.tell(live, live.trail.end())
        outcome, reason = judged(live, end)
        if outcome is e.Outcome.SUCCEEDED and live.step.record and not live.step.artifact:
            if why_not := why_no_fact(live):
                outcome, reason = e.Outcome.FAILED, f"{reason}, but {why_not}"
            else:
                value = live.trail.last_line()
                await self._ledger.keep(e.FactRecorded(live.step.record, value, live.step.id))
        reason = _with_lost(live, reason)
        await self._record_end(live, outcome, reason, end)
        reach("after-end-recorded")
        return await self._after_end(live, outcome, reason)

    async def _after_end(self, live: LiveRun, outcome: e.Outcome, reason: str) -> e.Outcome:
        """What is left once the run's end is in the journal: what was really done, its
        evidence, and the outcome."""
        outcome, reason = await self._operating.after(live, outcome, reason)
        reason = _with_lost(live, reason)
        if outcome is e.Outcome.SUCCEEDED and live.step.kind.launches and live.step.evidence:
            done = reason if live.step.kind.is_operation else ""
            found = await self._evidence.after(live)
            reason = found.reason or done
            return await self._finish(live, found.outcome, reason, found.as_before, ended=True)
        if outcome is e.Outcome.UNKNOWN and live.step.evidence:
            await self._evidence.once(live)
        return await self._finish(live, outcome, reason, ended=True)

    async def _walk(self, live: LiveRun, why: str) -> e.Outcome:
        """A step of a rehearsal that isn't done: its evidence is read once and decides nothing,
        what it would record gets a stand-in."""
        names = live.step.wait_for or live.step.evidence
        if names:
            await self._evidence.until_ok(live, names, 0.0)
        if live.step.record:
            value = stand_in(live.step.record)
            await self._ledger.keep(e.FactRecorded(live.step.record, value, live.step.id))
        return await self._finish(live, e.Outcome.REHEARSED, why)

    # Waiting, and people

    async def _wait(self, live: LiveRun) -> e.Outcome:
        found = await self._evidence.until_ok(live, live.step.wait_for, max(live.left_s(), 0.0))
        if found.outcome is e.Outcome.FAILED:
            reason = f"after {live.step.timeout:g} s: {found.reason}"
            return await self._finish(live, e.Outcome.TIMED_OUT, reason)
        return await self._finish(live, found.outcome, found.reason, found.as_before)

    async def _manual(self, live: LiveRun) -> e.Outcome:
        confirmed = asyncio.create_task(live.confirmed.wait())
        stopped = asyncio.create_task(live.stop.wait())
        try:
            await asyncio.wait({confirmed, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            confirmed.cancel()
            stopped.cancel()
        if live.stop.is_set():
            return await self._finish(live, e.Outcome.ABORTED, f"by {live.aborted_by}")
        if live.step.evidence:
            found = await self._evidence.after(live)
            return await self._finish(live, found.outcome, found.reason, found.as_before)
        return await self._finish(live, e.Outcome.SUCCEEDED, live.note)

    # The end

    async def _record_end(
        self, live: LiveRun, outcome: e.Outcome, reason: str, end: RunEnd | None = None
    ) -> None:
        fact = e.RunEnded(
            live.run_id, outcome, reason,
            exit_status=end.exit_status if end else None,
            signal=end.signal if end else "",
            duration_s=round(live.took_s(), 3),
            output_bytes=live.trail.received,
            last_lines=live.trail.last_lines(),
            output_lost=live.lost,
        )  # fmt: skip
        await self._ledger.keep(fact)

    async def _finish(
        self,
        live: LiveRun,
        outcome: e.Outcome,
        reason: str,
        as_before: tuple[str, ...] = (),
        *,
        ended: bool = False,
    ) -> e.Outcome:
        if not ended:
            await self._record_end(live, outcome, reason)
        took_s = round(live.took_s(), 3)
        fact = e.StepFinished(live.step.id, live.run_id, outcome, reason, took_s, as_before)
        reach("before-outcome-recorded")
        await self._ledger.keep(fact, e.CONSOLE)
        reach("after-outcome-recorded")
        return outcome


def _with_lost(live: LiveRun, reason: str) -> str:
    """The reason, with what is lost of the run's output."""
    return f"{reason}; {live.lost}" if live.lost and live.lost not in reason else reason
