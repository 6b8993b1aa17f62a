"""The engine: it lives as long as the window; its parts observe, judge and act."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from optibid_console import __version__
from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine.acting import ActionRunner
from optibid_console.engine.database_watch import DatabaseWatch
from optibid_console.engine.earlier import Earlier
from optibid_console.engine.gating import Gatekeeper
from optibid_console.engine.handling import CommandHandler
from optibid_console.engine.heartbeat import Heartbeat, Scrubber
from optibid_console.engine.judging import Judge, PulseTaker
from optibid_console.engine.late_answers import LateAnswers
from optibid_console.engine.lease import Attached, Lease
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.life import Life
from optibid_console.engine.measures import Measures
from optibid_console.engine.observing import Observers
from optibid_console.engine.operations import operations_of
from optibid_console.engine.operations.databases import databases_of
from optibid_console.engine.own_database import OwnDatabase
from optibid_console.engine.preflighting import Preflight
from optibid_console.engine.presenting import Presenting
from optibid_console.engine.recalling import Recall
from optibid_console.engine.running import StepRunner
from optibid_console.engine.sharing import Sharing
from optibid_console.engine.tailing import Tails
from optibid_console.engine.telling import Telling
from optibid_console.engine.tidying import Tidying
from optibid_console.journal import lease
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import Deposed
from optibid_console.journal.postgres_table import Identity
from optibid_console.journal_place import Address
from optibid_console.known_windows import open_windows
from optibid_console.runbook.load import Loaded
from optibid_console.signals import Link
from optibid_console.source import Role
from optibid_console.targets import without_link
from optibid_console.targets.rehearsal import check_rehearsed
from optibid_console.targets.target import LinkState, Target


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
        presenting: Presenting | None = None,
    ) -> None:
        """`journal`: the database of a team's journal, which must not be one of the runbook's;
        `presenting` shows beside it what is true now."""
        runbook = loaded.runbook
        self.ledger = ledger
        self.lease = Lease(ledger, tell)
        self.pulse = PulseTaker(ledger)
        self._presenting = presenting
        self._targets = targets
        self._observers = Observers(loaded, targets, ledger)
        self._judge = Judge(runbook, ledger, self._observers)
        self._tails = Tails(loaded, targets, ledger)
        self._databases = databases_of(loaded, ledger, targets)
        self._team = journal[0] if journal else None
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
        self._life = Life()
        self._commands = CommandHandler(
            runbook, ledger, self.lease, self._steps, self._actions, self._gates,
            Preflight(runbook, ledger, self._observers), self._telling, sharing, self._life,
            self._busy,
        )  # fmt: skip
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
            Earlier(self.ledger, self._team).run,
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
            *((self._presenting.run,) if self._presenting else ()),
            *(DatabaseWatch(one, self.ledger).run for one in self._databases.values()),
        ):
            self._life.spawn(work())
        try:
            reason = await self._life.over()
            await self._telling.finish()
        finally:
            await self._life.end_tasks()
            for database in self._databases.values():
                await database.close()
        await self._say_goodbye(reason)
        return reason

    def stop(self, reason: str) -> None:
        """End the engine, soon."""
        self._life.stop(reason)

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
            self._life.spawn(self.ledger.keep(fact))

    async def joined(self, screen: Attached) -> Role:
        async with self._busy:
            return await self.lease.joined(screen)

    async def left(self, screen: Attached, clean: bool) -> None:
        async with self._busy:
            try:
                await self.lease.left(screen, clean=clean)
            except Deposed as error:
                self._life.broke(error)

    async def handle(self, command: c.Command, screen: Attached) -> c.Reply:
        """Carry out a command of the operator's, or say why not."""
        return await self._commands.handle(command, screen)

    def _take_up(self) -> None:
        """Go on with what an earlier engine left under way."""
        state = self.ledger.state
        in_action = state.action()
        for run in state.unfinished_runs():
            live = self._steps.reattach(run)
            mine = in_action is not None and run.step_id in in_action.steps
            if live is not None and not mine:
                self._life.spawn(self._steps.see_through(live))
        if in_action is not None:
            task = self._actions.carry_on(in_action)
            if task is not None:
                self._life.keep(task)

    def _found(self, entry: e.Entry) -> None:
        """Go on with what was committed, though its answer was lost and nothing came of it."""
        state = self.ledger.state
        if self._life.is_over or isinstance(entry.fact, e.Unread):
            return  # the next engine takes it up
        match entry.fact:
            case e.StepStarted(run_id=run_id) if run_id in state.runs:
                in_action = state.action()
                live = self._steps.reattach(state.runs[run_id])
                mine = in_action is not None and state.runs[run_id].step_id in in_action.steps
                if live is not None and not mine:  # else its action comes to it
                    self._life.spawn(self._steps.see_through(live))
            case e.ActionStarted(action_id=action_id):
                under_way = state.action()
                if under_way is None:
                    return
                if action_id != self.ledger.forced:
                    self._life.spawn(self._actions.never_began(under_way))
                elif task := self._actions.carry_on(under_way):
                    self._life.keep(task)
            case e.ActionDecided(action_run, choice, reason):
                self._actions.decided(action_run, choice, reason)
            case e.OperatorTook():
                self.lease.found(entry.fact)
            case e.WindowClosed(outcome=outcome):
                self._life.stop(f"the window is closed: {outcome}")
            case fact:
                self._life.spawn(self._gates.hold_after(fact, entry.actor))

    async def _say_goodbye(self, reason: str) -> None:
        left = [run.step_id for run in self.ledger.state.active_runs()]
        if left:
            reason = f"{reason}; {', '.join(left)} goes on on its target"
        try:
            await self.ledger.record(e.EngineStopped(reason))
        except JournalError as error:
            self.ledger.problem = str(error)
