"""Carries out what an operator asks, when it may be done now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.aborting import has_ended, nothing_to_stop
from optibid_console.engine.adopting import Adopting
from optibid_console.engine.fact_of import fact_of
from optibid_console.engine.generation import Generation
from optibid_console.engine.lease import Attached, Lease
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.life import Life
from optibid_console.engine.reloading import Prepared, Reloading
from optibid_console.engine.sharing import Sharing
from optibid_console.engine.telling import Telling
from optibid_console.gates import before_step, same_person
from optibid_console.journal.journal import JournalError, JournalSilent
from optibid_console.journal.lease import Deposed
from optibid_console.permit import action_gates, forced_words, permit
from optibid_console.preflight import anyway_words
from optibid_console.runbook.model import ROLLBACK, Runbook, StepKind
from optibid_console.unbacked import migrates_unbacked

Accept = Callable[[Prepared, e.RunbookAccepted, str], Awaitable[None]]
_NEEDS_NO_LEASE = c.Abort, c.Leave, c.StartAction, c.StopAction, c.StopEngine, c.TakeOver
"""Commands that go on though the journal doesn't know yet who drives."""


class CommandHandler:
    """One command at a time: whether this screen may ask, whether it is permitted, then done."""

    def __init__(
        self,
        now: Callable[[], Generation],
        ledger: Ledger,
        lease: Lease,
        adopting: Adopting,
        telling: Telling,
        sharing: Sharing | None,
        life: Life,
        busy: asyncio.Lock,
        reloading: Reloading,
        accept: Accept,
    ) -> None:
        """`now`: what follows from the runbook that the window goes by. `busy`: held while a
        command is carried out, or a screen joins or leaves. `accept` puts another runbook into
        effect."""
        self._now = now
        self._ledger = ledger
        self._lease = lease
        self._adopting = adopting
        self._telling = telling
        self._sharing = sharing
        self._life = life
        self._busy = busy
        self._reloading = reloading
        self._accept = accept

    @property
    def _runbook(self) -> Runbook:
        return self._now().loaded.runbook

    async def handle(self, command: c.Command, screen: Attached) -> c.Reply:
        """Carry out a command of the operator's, or say why not; a journal that doesn't answer
        holds up neither it nor the next one."""
        if isinstance(command, c.LookAtRunbook):
            return await self._reloading.look()
        forced = isinstance(command, c.StartAction) and command.forced
        if forced or isinstance(command, c.Abort | c.StopAction | c.StopEngine | c.TakeOver):
            return await self._unready(command, screen) or await self._handle(command, screen)
        try:
            if said := self._ledger.silence():
                return c.Refused(f"{said}: nothing was done{_forcing(self._runbook, command)}")
            if isinstance(command, c.ReloadRunbook):
                return await self._reload(command, screen)
            if refused := await self._unready(command, screen):
                return refused
            reply = await self._ledger.unless_silent(self._handle(command, screen))
        except JournalSilent as error:
            return c.Refused(
                f"{error}: nothing was started; should it have been recorded all the same, the "
                f"window shows it{_forcing(self._runbook, command)}"
            )
        if isinstance(command, c.AdoptMigrations) and isinstance(reply, c.Accepted):
            return await self._adopting.reply(command)
        return reply

    async def _reload(self, command: c.ReloadRunbook, screen: Attached) -> c.Reply:
        """Go by the config as it is now. It is read and built while other commands go on; nothing
        is changed before the journal has it."""
        if refused := self._may_ask(command, screen):
            return c.Refused(refused)
        prepared = await self._reloading.prepare(command)
        if isinstance(prepared, c.Refused):
            return prepared
        return await self._ledger.unless_silent(self._handle(command, screen, prepared))

    async def _unready(self, command: c.Command, screen: Attached) -> c.Refused | None:
        """That an action which may be started can't be done, by what it rests on, read anew; or
        that migrations can't be adopted.

        Other commands go on meanwhile, an abort above all.
        """
        state = self._ledger.state
        if isinstance(command, c.AdoptMigrations):
            if self._may_ask(command, screen) or permit(state, command):
                return None  # the reason is given without a look
            why_not = await self._adopting.why_not(command)
            return c.Refused(why_not) if why_not else None
        if not isinstance(command, c.StartAction) or command.anyway or state.rehearsal:
            return None
        action = self._runbook.action(command.action_id)
        if action is None or not action.ready_when:
            return None
        if self._may_ask(command, screen) or permit(state, command):
            return None  # the reason is given without a look
        looked_at = self._now()
        try:
            failed = await looked_at.preflight.why_not(action)
        except Deposed as error:
            self._life.broke(error)
            return c.Refused(str(error))
        if looked_at is not self._now():
            return c.Refused("another runbook was accepted meanwhile: nothing was done, ask again")
        if not failed:
            return None
        words = anyway_words(command.typed)
        why = f"it can't be done as it is: {'; '.join(failed)}. Nothing was stopped or started"
        return c.Refused(f"{why}; type {words!r} to begin it all the same", words)

    async def _handle(
        self, command: c.Command, screen: Attached, prepared: Prepared | None = None
    ) -> c.Reply:
        async with self._busy:
            why_not = self._may_ask(command, screen) or permit(self._ledger.state, command)
            if prepared is not None:
                why_not = why_not or self._reloading.why_not(prepared)
            if why_not:
                if prepared is not None:
                    await prepared.generation.discard(self._now())
                return c.Refused(why_not)
            try:
                if not isinstance(command, _NEEDS_NO_LEASE):
                    await self._lease.settle()
                if prepared is not None:
                    return await self._go_by(prepared, screen.name)
                return await self._do(command, screen)
            except Deposed as error:
                self._life.broke(error)
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
            return self._lease.why_not_second(screen)
        if isinstance(command, c.ConfirmWaiver):
            return self._lease.why_not_second(screen) or self._asked_by(screen)
        if self._lease.drives(screen):
            return ""
        holder = self._lease.holder_name()
        drives = f"{holder} drives this window" if holder else "nobody drives this window"
        return f"{drives}; this screen only watches"

    def _asked_by(self, screen: Attached) -> str:
        """Returns that this person asked for the waiver, perhaps before the operator changed."""
        asked = self._ledger.state.waiver
        if asked is None or not same_person(screen.name, asked.by):
            return ""
        return f"{screen.name} asked for this waiver: a second person has to confirm it"

    async def _do(self, command: c.Command, screen: Attached) -> c.Reply:
        by = screen.name
        match command:
            case c.TakeOver(reason):
                refused = await self._lease.take_over(screen, reason)
                return c.Refused(refused) if refused else self._accepted()
            case c.Leave(how):
                await self._lease.give_back(screen, how)
                return self._accepted()
            case c.RunStep():
                return await self._run_step(command, by)
            case c.StartAction():
                return await self._start_action(command, by)
            case c.Decide(_, choice, reason):
                await self._now().actions.decide(choice, reason, by)
                return self._accepted()
            case c.Abort(run_id):
                return await self._abort(run_id, by)
            case c.StopAction(action_run):
                return self._accepted(await self._now().actions.stop(action_run, by))
            case c.AdoptMigrations():
                await self._adopting.begin(command, by)
                return self._accepted()
            case c.OpenGate(gate):
                await self._now().gates.ask(gate, by)
                return self._accepted()
            case c.CallPoll(question, gate):
                await self._now().gates.call_poll(question, gate, by)
                return self._accepted()
            case c.TellAgain():
                return self._accepted(f"{self._telling.again()} told again now")
            case c.StartSharing() | c.Share() | c.Revoke() | c.StopSharing():
                return await self._share(command, by)
            case c.StopEngine(reason, if_idle):
                used = self._lease.needed_besides(screen) if if_idle else ""
                if used:
                    return c.Refused(f"{used}: the engine goes on")
                self._life.stop(f"{by}: {reason}")
                return self._accepted("the engine ends; runs under way go on on their targets")
            case c.CloseWindow(outcome, note):
                await self._ledger.record(e.WindowClosed(outcome, note), by)
                self._life.stop(f"the window is closed: {outcome}")
                return self._accepted()
            case _:
                gates = self._now().gates
                fact = fact_of(command, self._ledger.state, time.time(), gates.sight, by)
                await self._ledger.record(fact, by)
                await gates.hold_after(fact, by)
                return self._accepted()

    async def _go_by(self, prepared: Prepared, by: str) -> c.Reply:
        await self._accept(prepared, self._reloading.fact(prepared), by)
        return self._accepted(f"the window goes by {prepared.loaded.path.name} as it is now")

    async def _run_step(self, command: c.RunStep, by: str) -> c.Reply:
        if await self._now().steps.confirm(command.step_id, by, command.note):
            return self._accepted()
        step = self._runbook.step(command.step_id)
        assert step is not None  # permit has looked
        await self._now().gates.passed(before_step(self._runbook, step.id), by)
        again = "" if step.kind is StepKind.MANUAL else command.note
        live = await self._now().steps.begin(step, by, reason=again)
        if step.kind is StepKind.MANUAL:
            await self._now().steps.confirm(step.id, by, command.note)
        self._life.spawn(self._now().steps.see_through(live))
        return self._accepted()

    async def _abort(self, run_id: str, by: str) -> c.Reply:
        asked = await self._now().steps.abort(by, run_id)
        if asked:
            return self._accepted(f"aborting {', '.join(asked)}")
        state = self._ledger.state
        run = state.runs.get(run_id)
        if run is not None and run.abort_asked_by and run.ended is None:
            return c.Refused(f"{run.step_id} was told to end by {run.abort_asked_by} already")
        return c.Refused((has_ended(state, run) if run else "") or nothing_to_stop(state))

    async def _start_action(self, command: c.StartAction, by: str) -> c.Reply:
        action = self._runbook.action(command.action_id)
        assert action is not None  # permit has looked
        if command.forced and action.id == ROLLBACK:
            await self._ledger.force(action.id)
            under_way = self._ledger.state.action()
            if under_way is not None and under_way.action_id == action.id:
                return self._accepted(f"{action.title} started")  # as it had been sent before
        await self._lease.settle()
        while command.forced and (locked := migrates_unbacked(self._ledger.state, action)):
            fact = e.BackupOverridden(locked[0].database, locked[0].id, command.reason)
            await self._ledger.record(fact, by)
        await self._now().gates.passed(action_gates(self._ledger.state, action), by)
        not_ready = self._now().preflight.known(action) if command.anyway else ()
        self._life.keep(await self._now().actions.start(action, by, time.time(), not_ready))
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
                return c.Accepted(f"a link for {name.strip()}", self._ledger.state.seq, link)
            case c.Revoke(name):
                await sharing.revoke(name, by)
            case c.StopSharing(reason):
                await sharing.stop(reason, by)
        return self._accepted()

    def _accepted(self, said: str = "") -> c.Accepted:
        return c.Accepted(said, self._ledger.state.seq)


def _forcing(runbook: Runbook, command: c.Command) -> str:
    """How an action that the journal stands in the way of goes on without it; rollback can."""
    if not isinstance(command, c.StartAction) or command.action_id != ROLLBACK:
        return ""
    action = runbook.action(ROLLBACK)
    words = forced_words(action) if action else ""
    return f"; type {words!r} to do it and record it in a spill file"
