"""A journal that a forced rollback can go on without: what it can't take waits in a spill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from optibid_console.entries import ActionStarted, Entry, Fact, SpillOpened, StepStarted, Unread
from optibid_console.entries import seal as sealed
from optibid_console.journal import spill
from optibid_console.journal.journal import Journal, JournalError
from optibid_console.journal.lease import Deposed, EngineId, Lease
from optibid_console.journal.scrub import Scrub
from optibid_console.journal.spill import Spill
from optibid_console.journal.worker import Worker
from optibid_console.journal_place import Place

T = TypeVar("T")
_Mark = tuple[float, float, str, type]


class SpillingJournal:
    """A `Journal` over another one; `path` is the one to which the spill belongs.

    While the spill is open all entries go there, numbered and chained as in the journal, and
    `read` and `head` know them. Nothing starts then but the action that was forced.
    """

    def __init__(self, journal: Journal, path: Path, place: Place | None = None) -> None:
        """`place`: where the journal is, when that isn't `path`."""
        self._spilling = ""
        """Why there is a spill; empty while nothing waits in one."""
        self._damage = ""
        """What went bad in the journal's file since it was opened."""
        self._scrub = Scrub(path if place is None else place)
        self._journal = journal
        self._path = path
        self._spill: Spill | None = None
        self._aside: list[Entry] = []
        self._forced_action = ""
        self._forced_runs: set[str] = set()
        self._lock = asyncio.Lock()
        self._thread = Worker("spill")
        # apart: a disk that goes bad may let a read wait for minutes
        self._scrubbing = Worker("scrub")

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._path

    @property
    def problem(self) -> str:
        """Why the journal can't be written; empty while it can, as far as is known."""
        return self._spilling or self._damage

    @property
    def patience_s(self) -> float:
        return self._journal.patience_s

    @property
    def forced(self) -> str:
        """The action that may go on in a spill; empty: none."""
        return self._forced_action

    async def force(self, action_id: str) -> None:
        """Let the next run of this action go on in a spill, should the journal not take it.

        What the journal was sent before it went away is in the spill too, as it was sealed: when
        it is back, both are one chain, whether it had committed that or not.
        """
        self._forced_action = action_id
        left_s = max(self.patience_s - self.silent_s(), 0.0)
        giving_up = asyncio.get_running_loop().call_later(left_s, self._leave_silent)
        try:
            async with self._lock:
                if self._spill is None and self._journal.doubtful():
                    await self._open("the journal went away before it answered")
        finally:
            giving_up.cancel()

    async def append(self, actor: str, fact: Fact | Unread, mono: float | None = None) -> Entry:
        async with self._lock:
            if self._spill is None:
                try:
                    self._check_whole()
                    return await self._journal.append(actor, fact, mono)
                except Deposed:
                    raise
                except JournalError as error:
                    if not self._forced_action:
                        raise
                    self._check(fact, str(error))
                    sent = await self._open(str(error))
                    again = [one for one in sent if (one.actor, one.fact) == (actor, fact)]
                    if again:
                        return again[0]
            self._check(fact, self.problem)
            entry = self._next(actor, fact, mono)
            assert self._spill is not None
            await self._write(self._spill.append, entry)
            self._aside.append(entry)
            return entry

    @property
    def spills(self) -> bool:
        """Whether something waits in a spill of this engine's."""
        return self._spill is not None

    def _leave_silent(self) -> None:
        if self.silent_s() > self.patience_s / 2:
            self._journal.give_up()

    async def mend(self) -> list[Entry]:
        """Bring what is in the spill into the journal; gives the entries that are new.

        Does nothing without a spill. Raises `JournalError` while the journal is away.
        """
        async with self._lock:
            if self._spill is None:
                return []
            self._check_whole()
            merged = await self._merge(self._spill.path)
            await self._in_thread(self._spill.remove)
            self._spill, self._aside, self._spilling = None, [], ""
            self._forced_action, self._forced_runs = "", set()
            return merged[-1:]

    async def _merge(self, path: Path) -> list[Entry]:
        """Bring in what the journal hasn't; all of it may be there, when the connection was lost
        as it was committed, and the first ones, when they were sent before there was a spill."""
        aside = self._aside
        found = await self._journal.read(aside[0].seq - 1, len(aside) + 1)
        known = sum(one.hash == mine.hash for one, mine in zip(found, aside, strict=False))
        if known == len(aside) and len(found) > known:
            return found
        if known != len(found):
            raise JournalError(
                f"the journal went on without this engine, and {path} waits: end this engine and "
                "start it again, then its entries are merged behind the others"
            )
        left = aside[known:]
        merged = spill.merging(left, (left[0].seq - 1, left[0].prev), path, time.time())
        await self._journal.append_sealed(merged)
        return merged

    async def scrub(self) -> None:
        """Look whether the journal's file is the one at its path, and read a piece of it again.
        Nothing is appended to one that was replaced or is damaged, until it is there again and
        whole; `problem` says what is wrong."""
        if moved := await self._journal.moved():
            # unread: a connection to what lies there now would share the -wal of the open file
            self._damage = moved
            return
        head = self._journal.head()
        look = partial(self._scrub.go_on, head, time.monotonic())
        self._damage = await self._scrubbing.do(look)

    async def recover(self) -> int:
        """Merge the spills that an earlier engine left; gives the number of entries. Only for
        the lease's holder, before it appends anything. Raises `JournalError`."""
        count = 0
        for path in await self._in_thread(spill.beside, self._path):
            with ExitStack() as stack:
                await self._in_thread(stack.enter_context, spill.held(path))
                entries = await self._in_thread(spill.read, path)
                known = await self._known(entries)
                left = [one for one in entries if _mark(one) not in known]
                merged = spill.merging(left, self._journal.head(), path, time.time())
                await self._journal.append_sealed(merged)
                await self._in_thread(spill.remove, path)
            count += len(left)
        return count

    async def others(self) -> list[Path]:
        """The spills of other engines that lie there: of one that was deposed while it wrote
        one. They are merged when an engine starts (`recover`), never under a running one:
        their entries would take the window's operator, its epoch and its runs back."""
        mine = self._spill.path if self._spill else None
        found = await self._in_thread(spill.beside, self._path)
        return [path for path in found if path != mine and path.is_file()]

    async def read(self, after: int, limit: int) -> list[Entry]:
        aside = [one for one in self._aside if one.seq > after]
        if aside and aside[0].seq == after + 1:
            return aside[:limit]
        return await self._journal.read(after, limit)

    def head(self) -> tuple[int, str]:
        if self._aside:
            return self._aside[-1].seq, self._aside[-1].hash
        return self._journal.head()

    async def append_sealed(self, entries: Sequence[Entry]) -> None:
        await self._journal.append_sealed(entries)

    async def acquire(
        self, holder: str, engine: EngineId, take_over: str = "", of: str = ""
    ) -> Lease:
        return await self._journal.acquire(holder, engine, take_over, of)

    async def beat(self) -> None:
        await self._journal.beat()

    async def lease(self) -> Lease:
        return await self._journal.lease()

    async def release(self) -> None:
        await self._journal.release()

    def silent_s(self) -> float:
        return 0.0 if self._spill else self._journal.silent_s()

    def give_up(self) -> None:
        self._journal.give_up()

    def doubtful(self) -> tuple[Entry, ...]:
        return () if self._spill else self._journal.doubtful()

    async def moved(self) -> str:
        return await self._journal.moved()

    async def close(self) -> None:
        self._thread.end()
        # the last connection to close folds the -wal into the file: that is the journal's
        await self._scrubbing.do(lambda: None)
        self._scrubbing.end()
        await self._journal.close()

    def _check(self, fact: Fact | Unread, why: str) -> None:
        """Nothing may start but what was forced. Raises `JournalError`."""
        if isinstance(fact, ActionStarted) and fact.action_id == self._forced_action:
            self._forced_runs.add(fact.action_run)
        starts = isinstance(fact, ActionStarted | StepStarted)
        if starts and getattr(fact, "action_run", "") not in self._forced_runs:
            raise JournalError(why)

    def _check_whole(self) -> None:
        if self._damage:
            raise JournalError(self._damage)

    def _next(self, actor: str, fact: Fact | Unread, mono: float | None) -> Entry:
        seq, prev = self.head()
        moment = time.monotonic() if mono is None else float(mono)
        return sealed(seq + 1, time.time(), moment, actor, fact, prev)

    async def _open(self, why: str) -> tuple[Entry, ...]:
        """Begin a spill; gives what the journal was sent and may have, which is in it too."""
        sent = self._journal.doubtful()
        head = (sent[-1].seq, sent[-1].hash) if sent else self.head()

        def first(path: Path) -> Entry:
            fact = SpillOpened(str(path), why)
            return sealed(head[0] + 1, time.time(), time.monotonic(), "console", fact, head[1])

        opened, entry = await self._write(Spill.create, self._path, first, sent)
        self._spill, self._aside = opened, [*sent, entry]
        for one in sent:
            if isinstance(one.fact, ActionStarted) and one.fact.action_id == self._forced_action:
                self._forced_runs.add(one.fact.action_run)
        self._spilling = f"{why}; a rollback is recorded in {opened.path} meanwhile"
        return sent

    async def _known(self, entries: Sequence[Entry]) -> set[_Mark]:
        """What the journal has from where a spill began, also under other numbers."""
        after = entries[0].seq - 1 if entries else self._journal.head()[0]
        known: set[_Mark] = set()
        while found := await self._journal.read(after, 1000):
            known |= {_mark(one) for one in found}
            after = found[-1].seq
        return known

    async def _write(self, work: Callable[..., T], *given: Any) -> T:
        try:
            return await self._in_thread(work, *given)
        except OSError as error:
            raise JournalError(f"the spill can't be written: {error.strerror}") from error

    async def _in_thread(self, work: Callable[..., T], *given: Any) -> T:
        return await self._thread.do(partial(work, *given))


def _mark(entry: Entry) -> _Mark:
    """What an entry keeps when it is numbered and sealed anew."""
    return entry.at, entry.mono, entry.actor, type(entry.fact)
