"""One step from its start to its evidence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import aclosing

from optibid_console import entries as e
from optibid_console.engine.evidence import Evidence, TakeNow
from optibid_console.engine.ledger import CONSOLE, Ledger
from optibid_console.engine.live_run import LiveRun, judged
from optibid_console.engine.operating import Operating
from optibid_console.engine.operations.operation import Operation
from optibid_console.engine.output import OutputTrail
from optibid_console.runbook.model import Runbook, Step, StepKind
from optibid_console.runbook.secrets import Secrets
from optibid_console.runbook.shell_text import fill
from optibid_console.signals import Output
from optibid_console.state import RunState
from optibid_console.stop_points import reach
from optibid_console.targets.target import (
    Ending,
    LaunchRefused,
    LinkLost,
    RunEnd,
    RunSpec,
    Target,
    TargetError,
)

_ASK_AGAIN_S = 1.0
_KILL_GRACE_S = 5.0
_BROKEN = "the target's disk was full: the end of the output is lost"


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
    ) -> None:
        self._runbook = runbook
        self._ledger = ledger
        self._targets = targets
        self._secrets = secrets
        self._evidence = Evidence(ledger, take_now)
        self._operating = Operating(ledger, operations)
        self._live: dict[str, LiveRun] = {}

    async def begin(self, step: Step, by: str, action_run: str = "") -> LiveRun:
        """Record that the step starts. Raises `JournalError`; then nothing was started."""
        state = self._ledger.state
        attempt = state.step(step.id, action_run).attempt + 1
        part = f"{action_run}-{step.id}" if action_run else step.id
        run_id = f"{state.window_id}-{part}-{attempt}"
        command = fill(step.run, state.facts) if step.kind.launches else ""
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
        )
        reach("before-step-started")
        entry = await self._ledger.record(fact, by)
        reach("after-step-started")
        return self._alive(step, run_id, command, state.epoch, entry.at)

    def reattach(self, run: RunState) -> LiveRun | None:
        """A run whose step an earlier engine left without an outcome; None when that step is
        gone."""
        step = self._runbook.step(run.step_id)
        if step is None:
            return None
        live = self._alive(step, run.run_id, run.command, run.epoch, run.started_at)
        live.sent = True
        live.unreachable = step.kind.launches
        live.ended = run.ended
        if run.abort_asked_by:
            live.aborted_by = run.abort_asked_by
            live.stop.set()
        return live

    async def see_through(self, live: LiveRun) -> e.Outcome:
        """Everything after the start, until the step's outcome is in the journal."""
        try:
            if live.ended is not None:
                if live.step.kind.is_operation or live.step.artifact:
                    await self._read_again(live)
                return await self._after_end(live, live.ended.outcome, live.ended.reason)
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
            if run_id not in ("", live.run_id) or live.aborted_by:
                continue
            live.aborted_by = by
            await self._ledger.keep_soon(e.AbortAsked(live.run_id), by)
            live.stop.set()
            asked.append(live.step.id)
        return tuple(asked)

    def confirm(self, step_id: str, by: str, note: str) -> bool:
        """Confirm a manual step that waits for it."""
        for live in self._live.values():
            if live.step.id == step_id and live.step.kind is StepKind.MANUAL:
                live.note = f"confirmed by {by}: {note}" if note else f"confirmed by {by}"
                live.confirmed.set()
                return True
        return False

    def live(self) -> tuple[LiveRun, ...]:
        return tuple(self._live.values())

    def _alive(
        self, step: Step, run_id: str, command: str, epoch: int, started_at: float
    ) -> LiveRun:
        env = self._secrets.env_for(command)
        window = self._ledger.state.window_id
        spec = RunSpec(run_id, command, epoch, float(step.timeout), env, self._cwd(step), window)
        trail = OutputTrail(run_id, self._secrets.redactor)
        live = LiveRun(step, run_id, started_at, spec, trail)
        self._live[run_id] = live
        return live

    def _cwd(self, step: Step) -> str:
        target = self._runbook.targets.get(step.on)
        return step.cwd or (target.cwd if target else "")

    # A command

    async def _command(self, live: LiveRun) -> e.Outcome:
        if not live.sent:  # else an earlier engine may have launched it
            why_not = await self._operating.before(live)
            if why_not:
                return await self._finish(live, e.Outcome.REFUSED, why_not)
        enforcer = asyncio.create_task(self._enforce(live))
        try:
            async with self._operating.watching(live):
                end = await self._until_ended(live)
        except LaunchRefused as refused:
            return await self._finish(live, e.Outcome.REFUSED, str(refused))
        finally:
            enforcer.cancel()
        reach("after-end-known")
        self._tell(live, live.trail.end())
        outcome, reason = judged(live, end)
        if outcome is e.Outcome.SUCCEEDED and live.step.record and not live.step.artifact:
            value = live.trail.last_line()
            await self._ledger.keep(e.FactRecorded(live.step.record, value, live.step.id))
        await self._record_end(live, outcome, reason, end)
        reach("after-end-recorded")
        return await self._after_end(live, outcome, reason)

    async def _after_end(self, live: LiveRun, outcome: e.Outcome, reason: str) -> e.Outcome:
        """What is left once the run's end is in the journal: what was really done, its
        evidence, and the outcome."""
        outcome, reason = await self._operating.after(live, outcome, reason)
        if outcome is e.Outcome.SUCCEEDED and live.step.kind.launches and live.step.evidence:
            done = reason if live.step.kind.is_operation else ""
            outcome, reason = await self._evidence.after(live)
            reason = reason or done
        return await self._finish(live, outcome, reason, ended=True)

    async def _until_ended(self, live: LiveRun) -> RunEnd:
        """Launch, follow and ask until the target says how it ended.

        Raises `LaunchRefused` when it was never started.
        """
        target = self._targets[live.step.on]
        while True:
            if live.stop.is_set() and not live.sent:
                return RunEnd(Ending.NEVER)
            try:
                await self._reach(live, target)
                async with aclosing(target.follow(live.run_id, live.trail.received)) as chunks:
                    async for chunk in chunks:
                        self._tell(live, live.trail.take(chunk))
                        reach("while-following")
                end = await target.ended(live.run_id)
                if end is not None:
                    if end.output_broken:
                        self._tell(live, live.trail.notice(_BROKEN))
                    return end
            except LaunchRefused:
                raise
            except TargetError as lost:
                if not live.sent:
                    raise LaunchRefused(f"{lost}; nothing was started") from lost
                if not live.unreachable:
                    live.unreachable = True
                    await self._ledger.keep(e.RunUnreachable(live.run_id, str(lost)))
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _read_again(self, live: LiveRun) -> None:
        """Read the output of a run whose end an earlier engine has recorded: what it said."""
        target = self._targets[live.step.on]
        while not live.stop.is_set():
            try:
                async with aclosing(target.follow(live.run_id, live.trail.received)) as chunks:
                    async for chunk in chunks:
                        self._tell(live, live.trail.take(chunk))
            except TargetError:  # its link says so on every screen
                await asyncio.sleep(_ASK_AGAIN_S)
            else:
                self._tell(live, live.trail.end())
                return

    async def _reach(self, live: LiveRun, target: Target) -> None:
        """Launch it once; after a drop ask for it, and never launch it again."""
        if not live.sent:
            live.sent = True
            reach("before-launch")
            try:
                started = await target.launch(live.spec)
            except LinkLost as lost:
                live.sent = lost.sent
                raise
            reach("after-launch")
            live.answered.set()
            await self._ledger.keep(e.RunLaunched(live.run_id, attached=not started))
            reach("after-launch-recorded")
        elif live.unreachable:
            end = await target.ended(live.run_id)
            if end is not None and end.ending is Ending.NEVER:
                raise LaunchRefused(f"{target.name} never got it: nothing was started")
            live.unreachable = False
            live.answered.set()
            await self._ledger.keep(e.RunLaunched(live.run_id, attached=True))

    async def _enforce(self, live: LiveRun) -> None:
        """End the run on its target when it is aborted or out of time, however long it takes."""
        try:
            async with asyncio.timeout(max(live.left_s(), 0.0)):
                await live.stop.wait()
        except TimeoutError:
            live.timed_out = True
            live.stop.set()
        target = self._targets[live.step.on]
        await live.answered.wait()  # before that there is nothing to end, or nobody to ask
        while True:
            try:
                await target.cancel(live.run_id, _KILL_GRACE_S)
            except TargetError:  # its follower has said so; here it only has to come through
                await asyncio.sleep(_ASK_AGAIN_S)
            else:
                return

    # Waiting, and people

    async def _wait(self, live: LiveRun) -> e.Outcome:
        outcome, reason = await self._evidence.until_ok(
            live, live.step.wait_for, max(live.left_s(), 0.0)
        )
        if outcome is e.Outcome.FAILED:
            outcome, reason = e.Outcome.TIMED_OUT, f"after {live.step.timeout:g} s: {reason}"
        return await self._finish(live, outcome, reason)

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
            outcome, reason = await self._evidence.after(live)
            return await self._finish(live, outcome, reason)
        return await self._finish(live, e.Outcome.SUCCEEDED, live.note)

    # The end

    def _tell(self, live: LiveRun, signals: Iterator[Output]) -> None:
        for signal in signals:
            self._ledger.signal(signal)
        self._operating.reported(live)

    async def _record_end(
        self, live: LiveRun, outcome: e.Outcome, reason: str, end: RunEnd | None = None
    ) -> None:
        fact = e.RunEnded(
            live.run_id, outcome, reason,
            exit_status=end.exit_status if end else None,
            signal=end.signal if end else "",
            duration_s=round(time.time() - live.started_at, 3),
            output_bytes=live.trail.received,
            last_lines=live.trail.last_lines(),
        )  # fmt: skip
        await self._ledger.keep(fact)

    async def _finish(
        self, live: LiveRun, outcome: e.Outcome, reason: str, *, ended: bool = False
    ) -> e.Outcome:
        if not ended:
            await self._record_end(live, outcome, reason)
        took_s = round(time.time() - live.started_at, 3)
        fact = e.StepFinished(live.step.id, live.run_id, outcome, reason, took_s)
        reach("before-outcome-recorded")
        await self._ledger.keep(fact, CONSOLE)
        reach("after-outcome-recorded")
        return outcome
