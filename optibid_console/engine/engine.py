"""The engine: it lives as long as the window, takes commands and carries them out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from optibid_console import __version__
from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine.acting import ActionRunner
from optibid_console.engine.database_watch import DatabaseWatch
from optibid_console.engine.earlier import Earlier
from optibid_console.engine.gating import Gatekeeper
from optibid_console.engine.heartbeat import Heartbeat, Scrubber
from optibid_console.engine.judging import Judge, PulseTaker
from optibid_console.engine.late_answers import LateAnswers
from optibid_console.engine.lease import Attached, Lease
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.live_run import LiveRun
from optibid_console.engine.measures import Measures
from optibid_console.engine.observing import Observers
from optibid_console.engine.operations import operations_of
from optibid_console.engine.operations.databases import databases_of
from optibid_console.engine.own_database import OwnDatabase
from optibid_console.engine.recalling import Recall
from optibid_console.engine.running import StepRunner
from optibid_console.engine.sharing import Sharing
from optibid_console.engine.tailing import Tails
from optibid_console.engine.telling import Telling
from optibid_console.engine.tidying import Tidying
from optibid_console.gates import before_step
from optibid_console.journal import lease
from optibid_console.journal.journal import JournalError, JournalSilent
from optibid_console.journal.lease import Deposed
from optibid_console.journal.postgres_table import Identity
from optibid_console.journal_place import Address
from optibid_console.jumping import route
from optibid_console.known_windows import open_windows
from optibid_console.permit import action_gates, forced_words, permit
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import ROLLBACK, Runbook, StepKind
from optibid_console.signals import Link
from optibid_console.source import Role
from optibid_console.targets import without_link
from optibid_console.targets.rehearsal import check_rehearsed
from optibid_console.targets.target import LinkState, Target
from optibid_console.unbacked import migrates_unbacked

_NEEDS_NO_LEASE = c.Abort, c.Leave, c.StartAction, c.StopEngine, c.TakeOver
"""Commands that go on though the journal doesn't know yet who drives."""


class Engine:
    """Runs one window: observes, judges, and does what the operator asks if it may."""

    def __init__(
        self,
        loaded: Loaded,
        ledger: Ledger,
        targets: Mapping[str, Target],
        tell: Callable[[str, Role], None],
        sharing: Sharing | None = None,
        *,
        journal: tuple[Address, Identity] | None = None,
    ) -> None:
        """`journal`: the database of a team's journal, which must not be one of the runbook's."""
        runbook = loaded.runbook
        self.ledger = ledger
        self.lease = Lease(ledger, tell)
        self.pulse = PulseTaker(ledger)
        self._sharing = sharing
        self._runbook = runbook
        self._targets = targets
        self._observers = Observers(loaded, targets, ledger)
        self._judge = Judge(runbook, ledger, self._observers)
        self._tails = Tails(loaded, targets, ledger)
        self._databases = databases_of(loaded, ledger, targets)
        self._own = OwnDatabase(*journal, self._databases) if journal else None
        self._steps = StepRunner(
            runbook,
            ledger,
            targets,
            loaded.secrets,
            self._observers.take_now,
            operations_of(loaded, ledger, targets, self._databases, open_windows),
        )
        self._recall = Recall(ledger, targets, loaded.secrets)
        self._actions = ActionRunner(runbook, ledger, self._steps)
        self._late = LateAnswers(ledger, targets, self._steps)
        self._tidying = Tidying(ledger, targets, without_link(runbook), open_windows)
        self._telling = Telling(loaded, ledger)
        self._busy = asyncio.Lock()
        self._gates = Gatekeeper(ledger, self._observers, self._busy)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._links: dict[str, str] = {}
        ledger.on_found(self._found)

    async def begin(self, epoch: int = 0, took_over_from: str = "", reason: str = "") -> None:
        """Go on where the journal ends; before any screen may join. Raises `JournalError`.

        `epoch`: of the journal's lease, taken from a living engine of `took_over_from` for
        that `reason`.
        """
        if self.ledger.state.rehearsal:
            check_rehearsed(self._targets)
        if self._own is not None:
            await self._own.check()
        me = lease.this_engine()
        await self.ledger.record(
            e.EngineStarted(__version__, me.host, me.pid, me.boot_id, epoch, took_over_from, reason)
        )
        self.lease.begin(epoch)
        await self.lease.clear()
        self._take_up()

    async def run(self) -> str:
        """Live until told to end or the window is closed; gives the reason.

        Runs under way go on on their targets. Raises `Deposed` when another engine has
        taken the journal over: nothing more is done or recorded then.
        """
        for work in (
            Measures(self.ledger).run,
            Earlier(self.ledger).run,
            self._observers.run,
            self._judge.run,
            self._gates.run,
            self._tails.run,
            self._late.run,
            self._telling.run,
            self.pulse.run,
            Heartbeat(self.ledger, self.lease.settle).run,
            self._tidying.run,
            Scrubber(self.ledger).run,
            self._recall.run,
            *((self._own.run,) if self._own else ()),
            *(DatabaseWatch(one, self.ledger).run for one in self._databases.values()),
        ):
            self._spawn(work())
        try:
            reason = await self._stop
            await self._telling.finish()
        finally:
            await self._end_tasks()
            for database in self._databases.values():
                await database.close()
        await self._say_goodbye(reason)
        return reason

    def stop(self, reason: str) -> None:
        """End the engine, soon."""
        if not self._stop.done():
            self._stop.set_result(reason)

    def link(self, state: LinkState) -> None:
        """A target's connection changed: told at once, recorded when it is another state."""
        self.ledger.signal(
            Link(state.target, state.state, state.detail, state.latency_ms, state.attempt)
        )
        if state.state == "connected":
            self._tidying.answers(state.target)
        if self._links.get(state.target) != state.state:
            self._links[state.target] = state.state
            fact = e.LinkChanged(state.target, state.state, state.detail)
            self._spawn(self.ledger.keep(fact))

    def _depose(self, error: Deposed) -> None:
        if not self._stop.done():
            self._stop.set_exception(error)

    async def joined(self, screen: Attached) -> Role:
        async with self._busy:
            return await self.lease.joined(screen)

    async def left(self, screen: Attached, clean: bool) -> None:
        async with self._busy:
            try:
                await self.lease.left(screen, clean=clean)
            except Deposed as error:
                self._depose(error)

    async def handle(self, command: c.Command, screen: Attached) -> c.Reply:
        """Carry out a command of the operator's, or say why not; a journal that doesn't answer
        holds up neither it nor the next one."""
        forced = isinstance(command, c.StartAction) and command.forced
        if forced or isinstance(command, c.Abort | c.StopEngine | c.TakeOver):
            return await self._handle(command, screen)
        try:
            if said := self.ledger.silence():
                return c.Refused(f"{said}: nothing was done")
            return await self.ledger.unless_silent(self._handle(command, screen))
        except JournalSilent as error:
            return c.Refused(
                f"{error}: nothing was started; should it have been recorded all the same, the "
                f"window shows it{_forcing(self._runbook, command)}"
            )

    async def _handle(self, command: c.Command, screen: Attached) -> c.Reply:
        async with self._busy:
            why_not = self._may_ask(command, screen) or permit(self.ledger.state, command)
            if why_not:
                return c.Refused(why_not)
            try:
                if not isinstance(command, _NEEDS_NO_LEASE):
                    await self.lease.settle()
                return await self._do(command, screen)
            except Deposed as error:
                self._depose(error)
                return c.Refused(str(error))
            except JournalError as error:
                return c.Refused(
                    f"the journal can't be written, so nothing was done: {error}"
                    f"{_forcing(self._runbook, command)}"
                )
            except ValueError as error:
                return c.Refused(str(error))

    def _may_ask(self, command: c.Command, screen: Attached) -> str:
        """Why this screen can't ask for that: one drives, a second person's only confirms."""
        if isinstance(command, c.TakeOver):
            return ""
        if isinstance(command, c.ConfirmGate):
            return self.lease.why_not_second(screen)
        if self.lease.drives(screen):
            return ""
        holder = self.lease.holder_name()
        drives = f"{holder} drives this window" if holder else "nobody drives this window"
        return f"{drives}; this screen only watches"

    # Commands

    async def _do(self, command: c.Command, screen: Attached) -> c.Reply:
        by = screen.name
        match command:
            case c.TakeOver(reason):
                refused = await self.lease.take_over(screen, reason)
                return c.Refused(refused) if refused else self._accepted()
            case c.Leave(how):
                await self.lease.give_back(screen, how)
                return self._accepted()
            case c.RunStep():
                return await self._run_step(command, by)
            case c.StartAction():
                return await self._start_action(command, by)
            case c.Decide(_, choice, reason):
                await self._actions.decide(choice, reason, by)
                return self._accepted()
            case c.Abort(run_id):
                asked = await self._steps.abort(by, run_id)
                said = f"aborting {', '.join(asked)}" if asked else "nothing is running"
                return self._accepted(said)
            case c.OpenGate(gate):
                await self._gates.ask(gate, by)
                return self._accepted()
            case c.CallPoll(question, gate):
                await self._gates.call_poll(question, gate, by)
                return self._accepted()
            case c.TellAgain():
                return self._accepted(f"{self._telling.again()} told again now")
            case c.StartSharing() | c.Share() | c.Revoke() | c.StopSharing():
                return await self._share(command, by)
            case c.StopEngine(reason, if_idle):
                used = self.lease.needed_besides(screen) if if_idle else ""
                if used:
                    return c.Refused(f"{used}: the engine goes on")
                self.stop(f"{by}: {reason}")
                return self._accepted("the engine ends; runs under way go on on their targets")
            case c.CloseWindow(outcome, note):
                await self.ledger.record(e.WindowClosed(outcome, note), by)
                self.stop(f"the window is closed: {outcome}")
                return self._accepted()
            case _:
                fact = self._fact(command, by)
                await self.ledger.record(fact, by)
                await self._gates.hold_after(fact, by)
                return self._accepted()

    async def _run_step(self, command: c.RunStep, by: str) -> c.Reply:
        if await self._steps.confirm(command.step_id, by, command.note):
            return self._accepted()
        step = self._runbook.step(command.step_id)
        assert step is not None  # permit has looked
        await self._gates.passed(before_step(self._runbook, step.id), by)
        again = "" if step.kind is StepKind.MANUAL else command.note
        live = await self._steps.begin(step, by, reason=again)
        if step.kind is StepKind.MANUAL:
            await self._steps.confirm(step.id, by, command.note)
        self._see_through(live)
        return self._accepted()

    async def _start_action(self, command: c.StartAction, by: str) -> c.Reply:
        action = self._runbook.action(command.action_id)
        assert action is not None  # permit has looked
        if command.forced and action.id == ROLLBACK:
            await self.ledger.force(action.id)
            under_way = self.ledger.state.action()
            if under_way is not None and under_way.action_id == action.id:
                return self._accepted(f"{action.title} started")  # as it had been sent before
        await self.lease.settle()
        while command.forced and (locked := migrates_unbacked(self.ledger.state, action)):
            fact = e.BackupOverridden(locked[0].database, locked[0].id, command.reason)
            await self.ledger.record(fact, by)
        await self._gates.passed(action_gates(self.ledger.state, action), by)
        self._keep(await self._actions.start(action, by, time.time()))
        return self._accepted(f"{action.title} started")

    async def _share(
        self, command: c.StartSharing | c.Share | c.Revoke | c.StopSharing, by: str
    ) -> c.Reply:
        sharing = self._sharing
        if sharing is None:
            return c.Refused("this engine can't share its window")
        match command:
            case c.StartSharing(address, cert, plain):
                at = await sharing.start(address, cert, plain, by)
                return self._accepted(f"observers are listened for at {at}")
            case c.Share(name, hours):
                link = await sharing.share(name, hours, by)
                return c.Accepted(f"a link for {name.strip()}", self.ledger.state.seq, link)
            case c.Revoke(name):
                await sharing.revoke(name, by)
            case c.StopSharing(reason):
                await sharing.stop(reason, by)
        return self._accepted()

    def _fact(self, command: c.Command, by: str) -> e.Fact:
        """The fact that a command which only records something becomes."""
        state = self.ledger.state
        match command:
            case c.SkipStep(step_id, reason):
                return e.StepSkipped(step_id, reason)
            case c.Jump(step_id, reason):
                way = route(state, step_id)
                return e.Jumped(step_id, reason, way.skipped, way.again, way.kept)
            case c.Settle(step_id, run_id, outcome, reason):
                return e.StepSettled(step_id, run_id, outcome, reason)
            case c.Hold(reason):
                return e.Held(reason)
            case c.Resume(note):
                assert state.hold is not None  # permit has looked
                return e.Resumed(round(time.time() - state.hold.since, 3), note)
            case c.SetT0(t0, reason):
                return e.T0Set(t0, reason)
            case c.MarkItem(item_id, mark, note):
                return e.ItemMarked(item_id, mark, note)
            case c.WriteNote(subject, text):
                return e.NoteWritten(subject, text)
            case c.AssertCriterion(criterion_id, verdict, reason):
                return e.CriterionAsserted(criterion_id, verdict, reason)
            case c.ConfirmGate(gate, note):
                return e.GateConfirmed(gate, note)
            case c.DecideGate(gate, decision, reason):
                return e.GateDecided(gate, decision, reason)
            case c.CastVote(poll_id, role, vote, note):
                return e.VoteCast(poll_id, role, vote, note, self._gates.sight())
            case c.ClosePoll(poll_id):
                return e.PollClosed(poll_id, state.polls[poll_id].tally())
            case c.StartEscalation(reason):
                return e.EscalationStarted(reason)
            case c.AcknowledgeEscalation(rung, note):
                return e.EscalationAcknowledged(rung, note)
            case c.EndEscalation(reason):
                return e.EscalationEnded(reason)
        raise ValueError(f"{type(command).__name__} isn't known here")

    def _accepted(self, said: str = "") -> c.Accepted:
        return c.Accepted(said, self.ledger.state.seq)

    # Life

    def _take_up(self) -> None:
        """Go on with what an earlier engine left under way."""
        state = self.ledger.state
        in_action = state.action()
        for run in state.unfinished_runs():
            live = self._steps.reattach(run)
            mine = in_action is not None and run.step_id in in_action.steps
            if live is not None and not mine:
                self._see_through(live)
        if in_action is not None:
            task = self._actions.carry_on(in_action)
            if task is not None:
                self._keep(task)

    def _found(self, entry: e.Entry) -> None:
        """Go on with what was committed, though its answer was lost and nothing came of it."""
        state = self.ledger.state
        if self._stop.done() or isinstance(entry.fact, e.Unread):
            return  # the next engine takes it up
        match entry.fact:
            case e.StepStarted(run_id=run_id) if run_id in state.runs:
                in_action = state.action()
                live = self._steps.reattach(state.runs[run_id])
                mine = in_action is not None and state.runs[run_id].step_id in in_action.steps
                if live is not None and not mine:  # else its action comes to it
                    self._see_through(live)
            case e.ActionStarted(action_id=action_id):
                under_way = state.action()
                if under_way is None:
                    return
                if action_id != self.ledger.forced:
                    self._spawn(self._actions.never_began(under_way))
                elif task := self._actions.carry_on(under_way):
                    self._keep(task)
            case e.ActionDecided(action_run, choice, reason):
                self._actions.decided(action_run, choice, reason)
            case e.OperatorTook():
                self.lease.found(entry.fact)
            case e.WindowClosed(outcome=outcome):
                self.stop(f"the window is closed: {outcome}")
            case fact:
                self._spawn(self._gates.hold_after(fact, entry.actor))

    def _see_through(self, live: LiveRun) -> None:
        self._spawn(self._steps.see_through(live))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        self._keep(asyncio.create_task(work))

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        """A part of the engine that breaks ends the engine with its error, never silently."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._stop.done():
            self._stop.set_exception(error)

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _say_goodbye(self, reason: str) -> None:
        left = [run.step_id for run in self.ledger.state.active_runs()]
        if left:
            reason = f"{reason}; {', '.join(left)} goes on on its target"
        try:
            await self.ledger.record(e.EngineStopped(reason))
        except JournalError as error:
            self.ledger.problem = str(error)


def _forcing(runbook: Runbook, command: c.Command) -> str:
    """How an action that the journal stands in the way of goes on without it; rollback can."""
    if not isinstance(command, c.StartAction) or command.action_id != ROLLBACK:
        return ""
    action = runbook.action(ROLLBACK)
    words = forced_words(action) if action else ""
    return f"; type {words!r} to do it and record it in a spill file"
