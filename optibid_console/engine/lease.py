"""Who drives: one operator's screen at a time, all others watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from optibid_console import entries as e
from optibid_console.engine.ledger import Ledger
from optibid_console.gates import same_person
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import Deposed
from optibid_console.source import Role


class Attached(Protocol):
    """A screen that is attached to the engine."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def want(self) -> str:
        """`drive` or `watch`."""

    def stalled_s(self) -> float:
        """For how long it hasn't taken anything, in seconds."""


class Lease:
    """Gives the window to one screen; each change raises the epoch and is an entry."""

    def __init__(self, ledger: Ledger, tell: Callable[[str, Role], None]) -> None:
        self._ledger = ledger
        self._tell = tell
        self._screens: dict[str, Attached] = {}
        self._holder = ""
        self._unused_epoch = 0
        """The epoch that the engine got with the journal, until its first operator has it."""
        self._owed: tuple[str, str, str] | None = None
        """Who took it, why and from whom, while the journal can't be told."""
        self._settling = asyncio.Lock()

    def begin(self, epoch: int) -> None:
        """The engine holds the journal with this epoch; 0: with none of its own."""
        self._unused_epoch = epoch

    async def clear(self) -> None:
        """Nobody is attached when an engine starts: a lease from before has ended."""
        operator = self._ledger.state.operator
        if operator:
            await self._ledger.record(e.OperatorLeft(operator, "the engine ended"))

    async def joined(self, screen: Attached) -> Role:
        """A screen came; it drives when it wants to and nobody else does."""
        self._screens[screen.id] = screen
        if screen.want == "drive" and not self._holder and self._ledger.state.closed is None:
            with suppress(Deposed):  # the heartbeat ends the engine
                await self._give(screen, "")
        return self.role_of(screen.id)

    async def left(self, screen: Attached, *, clean: bool) -> None:
        """A screen went; the window goes on."""
        self._screens.pop(screen.id, None)
        if screen.id == self._holder:
            self._holder, self._owed = "", None
            how = "left the window running" if clean else "connection lost"
            self._tell_all()
            await self._ledger.keep_soon(e.OperatorLeft(screen.name, how))

    async def take_over(self, screen: Attached, reason: str) -> str:
        """Give it to this screen; says why not, or nothing."""
        if screen.id == self._holder:
            return "you drive this window already"
        if self._holder and not reason.strip():
            return f"{self._name(self._holder)} drives this window: say why you take over"
        await self._give(screen, reason)
        self._tell_all()
        return ""

    async def give_back(self, screen: Attached, how: str) -> None:
        """The holder leaves on purpose."""
        if screen.id == self._holder:
            self._holder, self._owed = "", None
            await self._ledger.record(e.OperatorLeft(screen.name, how), screen.name)
            self._tell_all()

    def found(self, fact: e.OperatorTook) -> None:
        """It is in the journal after all."""
        if fact.epoch == self._unused_epoch:
            self._unused_epoch = 0
        if self._owed == (fact.operator, fact.reason, fact.previous):
            self._owed = None

    def drives(self, screen: Attached) -> bool:
        return screen.id == self._holder

    def why_not_second(self, screen: Attached) -> str:
        """Why this screen can't speak for a second person: it drives, or under the operator's
        own name. Empty when it can."""
        operator = self._ledger.state.operator
        if self.drives(screen) or same_person(screen.name, operator):
            return f"{screen.name} drives this window: a second person has to confirm it"
        return "" if screen.name.strip() else "a second person needs a name: give --as NAME"

    def needed_besides(self, screen: Attached) -> str:
        """By whom or for what else than this screen the engine is needed; empty: nothing."""
        others = [one.name for one in self._screens.values() if one.id != screen.id]
        if others:
            return f"{', '.join(others)} is attached"
        state = self._ledger.state
        action = state.action()
        if action is not None:
            return f"{action.action_id} is under way"
        runs = [run.step_id for run in state.unfinished_runs()]
        return f"{', '.join(runs)} is under way" if runs else ""

    def holder_name(self) -> str:
        """Empty when nobody drives."""
        return self._name(self._holder) if self._holder else ""

    def role_of(self, screen_id: str) -> Role:
        holder = self._screens.get(self._holder)
        if holder is None:
            return Role(False)
        since = self._ledger.state.operator_since
        return Role(screen_id == self._holder, holder.name, since, round(holder.stalled_s(), 1))

    async def _give(self, screen: Attached, reason: str) -> None:
        """It drives from now on, also while the journal is away: somebody must be able to force
        the rollback. Nothing else is done before the journal knows."""
        before, self._holder = self._holder, screen.id
        self._owed = (screen.name, reason, self._name(before))
        try:
            await self._ledger.unless_silent(self.settle())
        except Deposed:
            self._holder, self._owed = before, None
            raise
        except JournalError as error:
            self._ledger.problem = str(error)

    async def settle(self) -> None:
        """Record who drives, if the journal doesn't know yet. Raises `JournalError`."""
        async with self._settling:
            if self._owed is None:
                return
            name, reason, previous = owed = self._owed
            epoch = self._unused_epoch or self._ledger.state.epoch + 1
            await self._ledger.record(e.OperatorTook(name, epoch, reason, previous), name)
            self._unused_epoch = 0
            if self._owed is owed:
                self._owed = None

    def _tell_all(self) -> None:
        for screen_id in self._screens:
            self._tell(screen_id, self.role_of(screen_id))

    def _name(self, screen_id: str) -> str:
        screen = self._screens.get(screen_id)
        return screen.name if screen else ""
