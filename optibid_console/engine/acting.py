"""Actions: backup, migrate, rollback and what the runbook adds, step by step."""

from __future__ import annotations

import asyncio
from typing import Any

from optibid_console import entries as e
from optibid_console.action_plan import action_plan
from optibid_console.again import again_steps
from optibid_console.engine.clocks import now
from optibid_console.engine.ledger import AGAIN_S, Ledger
from optibid_console.engine.live_run import LiveRun
from optibid_console.engine.running import StepRunner
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import Deposed
from optibid_console.plan import preview
from optibid_console.rehearsing import walked_through
from optibid_console.runbook.model import ROLLBACK, Action, Runbook, Step
from optibid_console.state import ACTIVE, OVER, ActionState, StepStatus

_PREEMPTION_S = 15.0
"""How long rollback waits for what it aborts; then it goes on and the journal says so."""


class ActionRunner:
    """Runs one action at a time; rollback ends what is under way and takes its place."""

    def __init__(self, runbook: Runbook, ledger: Ledger, steps: StepRunner) -> None:
        self._runbook = runbook
        self._ledger = ledger
        self._steps = steps
        self._choices: dict[str, asyncio.Future[tuple[e.Choice, str]]] = {}
        """Action run → the choice that it waits for."""
        self._preempted: set[str] = set()
        self._stopped_by: dict[str, str] = {}
        """Action run → who asked to stop it; the journal may not have it yet."""

    async def start(
        self, action: Action, by: str, now: float, not_ready: tuple[str, ...] = ()
    ) -> asyncio.Task[None]:
        """Record that it starts, and what isn't ready then; run it in the background.

        Raises `JournalError`.
        """
        if action.id == ROLLBACK:
            await self._preempt(by)
        state = self._ledger.state
        planned = tuple(one.step_id for one in action_plan(state, action) if one.included)
        count = sum(one.action_id == action.id for one in state.actions.values()) + 1
        action_run = f"{action.id}{count}"
        why = preview(state, action.id, now).why_now
        again = again_steps(state, action)
        started = e.ActionStarted(action.id, action_run, planned, why, not_ready, again)
        await self._ledger.record(started, by)
        return self._spawn(action_run, by)

    def carry_on(self, under_way: ActionState) -> asyncio.Task[None] | None:
        """Go on with an action that an earlier engine left under way."""
        if self._runbook.action(under_way.action_id) is None:
            return None
        return self._spawn(under_way.action_run, under_way.by)

    async def stop(self, action_run: str, by: str) -> str:
        """Abort the action's step under way and begin no other one, until somebody decides how it
        goes on. Returns what was told to end."""
        self._stopped_by[action_run] = by
        await self._ledger.keep_soon(e.ActionStopAsked(action_run), by)
        runs = self._ledger.state.runs
        asked: list[str] = []
        for live in self._steps.live():
            run = runs.get(live.run_id)
            if run is not None and run.action_run == action_run:
                asked += await self._steps.abort(by, live.run_id)
        name = self._ledger.state.actions[action_run].action_id
        told = f"{', '.join(asked)} is told to end" if asked else "no step of it runs now"
        return f"stopping {name}: {told}, no other step begins"

    async def decide(self, choice: e.Choice, reason: str, by: str) -> None:
        """Answer the failed step on which it waits."""
        action = self._ledger.state.action()
        if action is None:
            return
        await self._ledger.record(e.ActionDecided(action.action_run, choice, reason), by)
        self.decided(action.action_run, choice, reason)

    def decided(self, action_run: str, choice: e.Choice, reason: str) -> None:
        """The journal has this answer."""
        self._stopped_by.pop(action_run, None)
        if not self._choice(action_run).done():
            self._choice(action_run).set_result((choice, reason))

    async def never_began(self, found: ActionState) -> None:
        """End an action whose start was recorded though whoever started it was told otherwise:
        by now it may be the last thing that is wanted."""
        why = "the journal recorded its start too late: nothing of it was done; start it again"
        await self._finish(found.action_run, e.Outcome.REFUSED, why)

    def _spawn(self, action_run: str, by: str) -> asyncio.Task[None]:
        return asyncio.create_task(self._run(action_run, by))

    async def _run(self, action_run: str, by: str) -> None:
        state = self._ledger.state.actions[action_run]
        stopped_at = state.stopped_at_step
        for step_id in state.steps:
            step = self._runbook.step(step_id)
            if step is None or self._ledger.state.step(step_id, action_run).status in OVER:
                continue
            if self._ended_badly(step_id, action_run) and stopped_at != step_id:
                await self._stopped(step, action_run)  # the engine died before it could say so
                stopped_at = step_id
            active = self._ledger.state.step(step_id, action_run).status in ACTIVE
            waiting = stopped_at == step_id and not active
            if not await self._step(step, action_run, by, waiting=waiting):
                return
        await self._finish(action_run, *walked_through(self._ledger.state, action_run))

    def _ended_badly(self, step_id: str, action_run: str) -> bool:
        """Whether this action has run the step already, and it didn't succeed."""
        seen = self._ledger.state.step(step_id, action_run)
        run = self._ledger.state.runs.get(seen.run_id)
        bad = seen.status in (StepStatus.FAILED, StepStatus.UNSETTLED)
        return bad and run is not None and run.action_run == action_run

    def _stop_asked(self, action_run: str) -> str:
        """Returns who asked to stop the action and has decided nothing since, or empty."""
        action = self._ledger.state.actions[action_run]
        return self._stopped_by.get(action_run, "") or action.stop_asked_by

    def _stops_before(self, step: Step, action_run: str) -> bool:
        """Returns whether the action stops before this step, which isn't under way."""
        if action_run in self._preempted or not self._stop_asked(action_run):
            return False
        return self._ledger.state.step(step.id, action_run).status not in ACTIVE

    async def _stopped(self, step: Step, action_run: str) -> None:
        if not self._ended_badly(step.id, action_run):
            said = f"by {self._stop_asked(action_run)}, before it began"
            await self._ledger.keep(e.ActionStopped(action_run, step.id, said))
            return
        seen = self._ledger.state.step(step.id, action_run)
        outcome = seen.outcome.value if seen.outcome else seen.status.value
        said = f"{outcome}: {seen.reason}" if seen.reason else outcome
        await self._ledger.keep(e.ActionStopped(action_run, step.id, said))

    async def _step(self, step: Step, action_run: str, by: str, *, waiting: bool) -> bool:
        """One step until it is done or skipped; False when the action ends with it."""
        while True:
            if not waiting and self._stops_before(step, action_run):
                await self._stopped(step, action_run)
                waiting = True
            if not waiting:
                live = await self._begun(step, action_run, by)
                outcome = await self._steps.see_through(live) if live else None
                if outcome in (e.Outcome.SUCCEEDED, e.Outcome.REHEARSED):
                    return True
                if action_run in self._preempted:
                    await self._finish(action_run, e.Outcome.ABORTED, "rollback outranks it")
                    return False
                if live is None:
                    continue  # it was stopped before the journal took the step's start
                stopped = bool(self._stop_asked(action_run))
                if self._ledger.state.rehearsal and not stopped:
                    return True  # a finding: nothing is at stake, all is walked
                await self._stopped(step, action_run)
            waiting = False
            answer = await self._answer(step, action_run)
            if answer is None:
                return True
            choice, why = answer
            if choice is e.Choice.SKIP:
                await self._ledger.keep(e.StepSkipped(step.id, why, action_run), by)
                return True
            if choice is e.Choice.STOP:
                await self._finish(action_run, e.Outcome.FAILED, f"stopped at {step.id}: {why}")
                return False

    async def _answer(self, step: Step, action_run: str) -> tuple[e.Choice, str] | None:
        """The operator's choice; None when the step turned out to be done: its outcome was
        unknown and was settled, or its target came back with it."""
        choice = self._choice(action_run)
        while not choice.done():
            if self._ledger.state.step(step.id, action_run).status in OVER:
                return None
            news = asyncio.create_task(self._ledger.changed())
            try:
                either: set[asyncio.Future[Any]] = {choice, news}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
        return self._choices.pop(action_run).result()

    def _choice(self, action_run: str) -> asyncio.Future[tuple[e.Choice, str]]:
        if action_run not in self._choices:
            self._choices[action_run] = asyncio.get_running_loop().create_future()
        return self._choices[action_run]

    async def _begun(self, step: Step, action_run: str, by: str) -> LiveRun | None:
        """The step's run: the one that an earlier engine left under way, or a new one, as soon as
        the journal takes its start; None once rollback has taken the action's place, or somebody
        stopped the action."""
        while action_run not in self._preempted:
            if self._stops_before(step, action_run):
                return None
            seen = self._ledger.state.step(step.id, action_run)
            for live in self._steps.live():
                if live.run_id == seen.run_id:
                    return live
            try:
                return await self._steps.begin(step, by, action_run)
            except Deposed:
                raise
            except JournalError as error:
                self._ledger.problem = str(error)
                await asyncio.sleep(AGAIN_S)
        return None

    async def _finish(self, action_run: str, outcome: e.Outcome, reason: str) -> None:
        under_way = self._ledger.state.actions[action_run]
        took_s = round(now().since(under_way.began), 3)
        if outcome is e.Outcome.SUCCEEDED and not reason:
            state = self._ledger.state
            sick = [
                one for name in under_way.steps for one in state.step(name, action_run).as_before
            ]
            reason = f"as before: {'; '.join(dict.fromkeys(sick))}" if sick else ""
        await self._ledger.keep(e.ActionFinished(action_run, outcome, reason, took_s))

    async def _preempt(self, by: str) -> None:
        """End the runs and the action under way; wait for them, but not for ever."""
        other = self._ledger.state.action()
        if other is not None:
            self._preempted.add(other.action_run)
        await self._steps.abort(by)
        if other is not None and other.stopped_at_step:
            await self.decide(e.Choice.STOP, "rollback outranks it", by)
        deadline = asyncio.get_running_loop().time() + _PREEMPTION_S
        while asyncio.get_running_loop().time() < deadline:
            if not self._steps.live() and self._ledger.state.action() is None:
                return
            await asyncio.sleep(0.05)
