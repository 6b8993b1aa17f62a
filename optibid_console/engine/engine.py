"""The engine: it lives as long as the window; its parts observe, judge and act."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import partial

from optibid_console import __version__
from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine.adopting import Adopting
from optibid_console.engine.earlier import Earlier
from optibid_console.engine.generation import Generation, Surroundings
from optibid_console.engine.handling import CommandHandler
from optibid_console.engine.heartbeat import Heartbeat, Scrubber
from optibid_console.engine.judging import PulseTaker
from optibid_console.engine.lease import Attached, Lease
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.life import Life
from optibid_console.engine.measures import Measures, last_measured
from optibid_console.engine.own_database import OwnDatabase
from optibid_console.engine.presenting import Presenting
from optibid_console.engine.recalling import Recall
from optibid_console.engine.reloading import Prepared, Reloading
from optibid_console.engine.sharing import Sharing
from optibid_console.engine.telling import Telling
from optibid_console.engine.units import Running, Unit, ended
from optibid_console.journal import lease
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import Deposed
from optibid_console.journal.postgres_table import Identity
from optibid_console.journal_place import Address
from optibid_console.known_windows import open_windows
from optibid_console.runbook.difference import measured_anew
from optibid_console.runbook.load import Loaded, load
from optibid_console.signals import Link
from optibid_console.source import Role
from optibid_console.state import WindowState
from optibid_console.targets import open_targets, unchanged
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
        read: Callable[[], Loaded] | None = None,
    ) -> None:
        """`journal`: the database of a team's journal, which must not be one of the runbook's;
        `presenting` shows beside it what is true now; `read` loads the config again."""
        self.ledger = ledger
        self.lease = Lease(ledger, tell)
        self.pulse = PulseTaker(ledger)
        self._presenting = presenting
        self._life = Life()
        self._busy = asyncio.Lock()
        team = journal[0] if journal else None
        self._around = Surroundings(
            ledger, self._busy, open_windows,
            (lambda databases: OwnDatabase(*journal, databases)) if journal else None,
            Earlier(ledger, team).run,
        )  # fmt: skip
        self._running = Running(self._life.keep)
        self._openings = 0
        self._opening_of: dict[str, int] = {}
        """Target → with which opening it was opened; what an older one tells isn't of it."""
        self.generation = Generation(loaded, targets, self._around)
        self._prepared: Prepared | None = None
        """What is swapped in as soon as the journal has it."""
        self._recall = Recall(ledger, lambda: self.generation.targets, loaded.secrets)
        self._telling = Telling(loaded, ledger)
        reloading = Reloading(
            ledger, lambda: self.generation,
            read or partial(load, loaded.path, os.environ), self._built,
        )  # fmt: skip
        self._adopting = Adopting(lambda: self.generation.databases, ledger, self._life)
        self._commands = CommandHandler(
            lambda: self.generation, ledger, self.lease, self._adopting, self._telling, sharing,
            self._life, self._busy, reloading, self._accept,
        )  # fmt: skip
        self._links: dict[str, str] = {}
        ledger.on_found(self._found)
        ledger.watch(self._swap_when_accepted)

    async def begin(self, epoch: int = 0, took_over_from: str = "", reason: str = "") -> None:
        """Go on where the journal ends; before any screen may join. Raises `JournalError`.

        `epoch`: of the journal's lease, taken from a living engine of `took_over_from` for
        that `reason`.
        """
        if self.ledger.state.rehearsal:
            check_rehearsed(self.generation.targets)
        if self.generation.own is not None:
            await self.generation.own.check()
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
        self._life.spawn(Measures(self.ledger).run())
        self._running.change(self.generation.units())
        for work in (
            self._telling.run,
            self.pulse.run,
            Heartbeat(self.ledger, self.lease.settle).run,
            Scrubber(self.ledger).run,
            self._recall.run,
            *((self._presenting.run,) if self._presenting else ()),
        ):
            self._life.spawn(work())
        try:
            reason = await self._life.over()
            await self._telling.finish()
        finally:
            await self._life.end_tasks()
            await self.generation.close()
            for name, target in self.generation.targets.items():
                if self._opening_of.get(name, 0):  # it was opened here
                    await target.close()
        await self._say_goodbye(reason)
        return reason

    def stop(self, reason: str) -> None:
        """End the engine, soon."""
        self._life.stop(reason)

    def link(self, state: LinkState, opening: int = 0) -> None:
        """A target's connection changed: told at once, recorded when it is another state.

        `opening`: with which targets it was opened; 0: with the engine.
        """
        if self._opening_of.get(state.target, 0) != opening:
            return  # another runbook has another target of this name, or none
        self.ledger.signal(
            Link(state.target, state.state, state.detail, state.latency_ms, state.attempt)
        )
        if state.state == "connected":
            self.generation.answers(state.target)
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

    # Another runbook

    def _built(self, loaded: Loaded) -> Generation:
        """Returns the generation that would follow this one; nothing changes by it."""
        now, state = self.generation, self.ledger.state
        same = unchanged(now.loaded.runbook, loaded.runbook)
        self._openings += 1
        opening = self._openings
        targets = open_targets(
            loaded.runbook,
            lambda link: self.link(link, opening),
            state.window_id if state.rehearsal else "",
            {name: now.targets[name] for name in same if name in now.targets},
        )
        return Generation(loaded, targets, self._around, now, opening)

    async def _accept(self, prepared: Prepared, fact: e.RunbookAccepted, by: str) -> None:
        """Record that the window goes by another runbook: with that entry it is swapped in.

        Raises `JournalError`: the window goes by the old one. An entry that the journal has
        after all, though its answer was lost, swaps it in then.
        """
        self._prepared = prepared
        await self.ledger.record(fact, by)
        measured = await asyncio.to_thread(last_measured, prepared.loaded.runbook)
        state = self.ledger.state
        if measured is not None and measured != state.rehearsed and not state.rehearsal:
            await self.ledger.keep_soon(measured)

    def _swap_when_accepted(self, _: WindowState, entry: e.Entry, after: WindowState) -> None:
        """The journal says by which runbook the window goes: with the entry, not behind it, all
        that follows from the runbook is another generation's."""
        if not isinstance(entry.fact, e.RunbookAccepted):
            return
        prepared, self._prepared = self._prepared, None
        if prepared is None or prepared.loaded.digest != entry.fact.digest:
            why = "the journal goes by a runbook that this engine hasn't got: start it again"
            self._life.broke(JournalError(why))
            return
        try:
            self._swap(prepared, entry.at)
        except Exception as error:  # the next engine goes by the new runbook, as a whole
            self._life.broke(error)

    def _swap(self, prepared: Prepared, at: float) -> None:
        before, self.generation = self.generation, prepared.generation
        self.generation.goes_into_effect(at)
        self._note_openings(before)
        self._telling.adopt(prepared.loaded)
        for subject, name in measured_anew(before.loaded.runbook, prepared.loaded.runbook):
            self.ledger.forget(subject, name)
        self._life.spawn(self._end(self._running.change(self.generation.units())))

    def _note_openings(self, before: Generation) -> None:
        for name in {*before.targets, *self.generation.targets}:
            target = self.generation.targets.get(name)
            if target is not before.targets.get(name):
                self._opening_of[name] = self.generation.opening if target is not None else -1
                self._links.pop(name, None)
                self.ledger.forget("link", name)

    async def _end(self, gone: list[tuple[Unit, asyncio.Task[None]]]) -> None:
        """Close what the runbook before had alone; what can't be closed is noted."""
        for problem in await ended(gone):
            text = f"the new runbook is in effect; not closed of the old one: {problem}"
            await self.ledger.keep(e.NoteWritten("window", text))

    # What an engine before this one left

    def _take_up(self) -> None:
        """Go on with what an earlier engine left under way."""
        state, steps = self.ledger.state, self.generation.steps
        self._adopting.take_up()
        in_action = state.action()
        for run in state.unfinished_runs():
            live = steps.reattach(run)
            mine = in_action is not None and run.step_id in in_action.steps
            if live is not None and not mine:
                self._life.spawn(steps.see_through(live))
        if in_action is not None:
            task = self.generation.actions.carry_on(in_action)
            if task is not None:
                self._life.keep(task)

    def _found(self, entry: e.Entry) -> None:
        """Go on with what was committed, though its answer was lost and nothing came of it."""
        state = self.ledger.state
        if self._life.is_over or isinstance(entry.fact, e.Unread):
            return  # the next engine takes it up
        steps, actions = self.generation.steps, self.generation.actions
        match entry.fact:
            case e.StepStarted(run_id=run_id) if run_id in state.runs:
                in_action = state.action()
                live = steps.reattach(state.runs[run_id])
                mine = in_action is not None and state.runs[run_id].step_id in in_action.steps
                if live is not None and not mine:  # else its action comes to it
                    self._life.spawn(steps.see_through(live))
            case e.ActionStarted(action_id=action_id):
                under_way = state.action()
                if under_way is None:
                    return
                if action_id != self.ledger.forced:
                    self._life.spawn(actions.never_began(under_way))
                elif task := actions.carry_on(under_way):
                    self._life.keep(task)
            case e.ActionDecided(action_run, choice, reason):
                actions.decided(action_run, choice, reason)
            case e.AdoptionBegun():
                self._adopting.take_up("its start was recorded too late: nothing was written")
            case e.OperatorTook():
                self.lease.found(entry.fact)
            case e.WindowClosed(outcome=outcome):
                self._life.stop(f"the window is closed: {outcome}")
            case fact:
                self._life.spawn(self.generation.gates.hold_after(fact, entry.actor))

    async def _say_goodbye(self, reason: str) -> None:
        left = [run.step_id for run in self.ledger.state.active_runs()]
        if left:
            reason = f"{reason}; {', '.join(left)} goes on on its target"
        try:
            await self.ledger.record(e.EngineStopped(reason))
        except JournalError as error:
            self.ledger.problem = str(error)
