"""The journal, the state that it folds to and the hub, kept in step."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from optibid_console.codec import from_plain, to_plain
from optibid_console.entries import (
    CONSOLE,
    BaselineTaken,
    CriterionJudged,
    Entry,
    EscalationEnded,
    EscalationStarted,
    Fact,
    NoteWritten,
    ProbeChanged,
    ReadinessChanged,
    RunbookAccepted,
    RungDue,
    WindowOpened,
)
from optibid_console.journal.chain import Verified
from optibid_console.journal.journal import JournalError, JournalSilent
from optibid_console.journal.lease import Deposed
from optibid_console.journal.spill import check
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.runbook.secrets import Secrets
from optibid_console.signals import Signal
from optibid_console.state import WindowState

T = TypeVar("T")

AGAIN_S = 1.0
"""How soon what must be recorded is tried again, in seconds."""
_SOON_S = 1.0
"""For what must not wait: so long a journal may take that is slow, in seconds."""


class RunbookChanged(JournalError):
    """What was to be recorded followed from a runbook that the window doesn't go by any more."""


_FOLLOWS = (
    BaselineTaken, CriterionJudged, EscalationEnded, EscalationStarted, ProbeChanged,
    ReadinessChanged, RungDue,
)  # fmt: skip
"""Facts that the console finds by the runbook: they aren't recorded behind another one."""


class Publisher(Protocol):
    """Who is told of entries and signals."""

    def entry(self, entry: Entry) -> None: ...

    def signal(self, signal: Signal) -> None: ...

    def forget(self, kind: str, name: str) -> None: ...


Watcher = Callable[[WindowState, Entry, WindowState], None]
"""Told of the state before an entry, the entry, and the state after it."""


Finder = Callable[[Entry], None]


class Ledger:
    """Records facts: committed first, then folded, then told. Secrets never get in."""

    def __init__(self, journal: SpillingJournal, hub: Publisher, secrets: Secrets) -> None:
        self.state = WindowState()
        self.problem = ""
        """Why the journal can't be written; empty while it can."""
        self._journal = journal
        self._hub = hub
        self._secrets = secrets
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._late: set[asyncio.Task[Entry]] = set()
        self._told: set[Path] = set()
        """The spills of other engines that were noted."""
        self._watchers: list[Watcher] = []
        self._finders: list[Finder] = []
        self._runbooks = 0
        """How many runbooks were accepted since this ledger was made."""

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._journal.path

    async def restore(self) -> None:
        """Fold all that the journal holds. Raises `JournalError`."""
        with _without_garbage():
            while entries := await self._journal.read(self.state.seq, 2000):
                for entry in entries:
                    self.state = self.state.apply(entry)

    async def record(self, fact: Fact, actor: str = CONSOLE) -> Entry:
        """Commit a fact and tell it. Raises `JournalError`: then nothing happened."""
        holds_runbook = isinstance(fact, WindowOpened | RunbookAccepted)  # its secrets are names
        clean = fact if holds_runbook else redacted(fact, self._secrets)
        # whoever asked may be cancelled: the entry is then whole or absent, and never untold
        recording = asyncio.create_task(self._record(clean, actor, self._runbooks))
        recording.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(recording)
        except asyncio.CancelledError:
            recording.add_done_callback(self._came_late)
            raise

    async def unless_silent(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives; a journal that doesn't answer holds it up for `patience_s` at most.

        Raises `JournalSilent` then. `work` is cancelled; what it had sent may be committed later,
        and is told to the finders.
        """
        task = asyncio.create_task(work)
        try:
            while True:
                left_s = self._journal.patience_s - self._journal.silent_s()
                await asyncio.wait({task}, timeout=max(left_s, 0.02))
                if task.done():
                    return task.result()
                if said := self.silence():
                    raise JournalSilent(said)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def silence(self) -> str:
        """That the journal owes an answer for too long, and since when; empty when it doesn't."""
        silent_s = self._journal.silent_s()
        if silent_s < self._journal.patience_s:
            return ""
        return f"the journal doesn't answer, since {silent_s:.1f} s"

    def _came_late(self, recording: asyncio.Task[Entry]) -> None:
        """It is in the journal, and whoever wanted it has gone."""
        if not recording.cancelled() and recording.exception() is None:
            for finder in self._finders:
                finder(recording.result())

    async def _record(self, clean: Fact, actor: str, runbooks: int) -> Entry:
        async with self._lock:
            if runbooks != self._runbooks and isinstance(clean, _FOLLOWS):
                raise RunbookChanged("another runbook was accepted meanwhile")
            try:
                entry = await self._journal.append(actor, clean)
            except JournalError as error:
                self.problem = str(error)
                raise
            self.problem = self._journal.problem
            before = entry.seq - self.state.seq - 1  # the opening of a spill
            await self._find(before)
            if before >= 0:  # else it was told already: committed when its answer was lost
                self._take(entry)
            return entry

    async def _find(self, count: int) -> None:
        """Take entries that the journal has and nobody here knows: the opening of a spill, or
        one that was committed when the server's answer was lost."""
        for one in await self._journal.read(self.state.seq, count) if count > 0 else []:
            self._take(one)
            for finder in self._finders:
                finder(one)

    def on_found(self, finder: Finder) -> None:
        """Let `finder` know of each entry that is in the journal after all, though whoever
        wanted it was told that it isn't."""
        self._finders.append(finder)

    def watch(self, watcher: Watcher) -> None:
        """Let `watcher` know of each new entry; it must be quick and never raise."""
        self._watchers.append(watcher)

    async def read(self, after: int, limit: int) -> list[Entry]:
        """Entries from the number `after` + 1 on. Raises `JournalError`."""
        return await self._journal.read(after, limit)

    def _take(self, entry: Entry) -> None:
        before, self.state = self.state, self.state.apply(entry)
        self._runbooks += isinstance(entry.fact, RunbookAccepted)
        self._hub.entry(entry)
        for watcher in self._watchers:
            watcher(before, entry, self.state)
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def forced(self) -> str:
        """The action that may go on in a spill file; empty: none."""
        return self._journal.forced

    async def force(self, action_id: str) -> None:
        """Let this action go on in a spill file, should the journal not be writable. What it was
        sent before it went away is then a part of the window. Raises `JournalError`."""
        await self._journal.force(action_id)
        async with self._lock:
            await self._find(self._journal.head()[0] - self.state.seq)
            self.problem = self._journal.problem or self.problem

    async def beat(self) -> None:
        """Hold the journal for another while; bring what waits in a spill into it.

        Raises `Deposed` when another engine holds it, `JournalError` while it can't be written.
        """
        await self._journal.beat()
        async with self._lock:
            for entry in await self._journal.mend():
                self._take(entry)
            await self._find(self._journal.head()[0] - self.state.seq)
            self.problem = self._journal.problem

    async def scrub(self) -> None:
        """Look at what lies on the disk: damage to the journal, a spill of another engine.

        Raises `Deposed`.
        """
        await self._journal.scrub()
        if self._journal.problem:
            self.problem = self._journal.problem
        for path in await self._journal.others():
            if path not in self._told:
                await self._tell_of(path)

    async def _tell_of(self, path: Path) -> None:
        found = await asyncio.to_thread(check, path, Verified(*self._journal.head()))
        text = f"another engine left a spill, {path}: {found.said()}"
        try:
            await self.record(NoteWritten("window", text))
        except Deposed:
            raise
        except JournalError as error:
            self.problem = str(error)
        else:
            self._told.add(path)

    async def keep(self, fact: Fact, actor: str = CONSOLE) -> Entry:
        """Commit something that happened already: tries until the journal takes it.

        Raises `Deposed`: what happens then is another engine's to record.
        """
        while True:
            try:
                return await self.record(fact, actor)
            except Deposed:
                raise
            except JournalError:
                await asyncio.sleep(AGAIN_S)

    async def keep_soon(self, fact: Fact, actor: str = CONSOLE) -> None:
        """Commit something that must not wait for the journal: at once, or in the background
        as soon as the journal takes it. Raises `Deposed`."""
        recording = asyncio.create_task(self.record(fact, actor))
        waits_s = max(min(_SOON_S, self._journal.patience_s - self._journal.silent_s()), 0.0)
        await asyncio.wait({recording}, timeout=waits_s)
        if recording.done():
            try:
                recording.result()
                return
            except Deposed:
                raise
            except JournalError as error:
                self.problem = str(error)
        task = asyncio.create_task(self._keep_after(recording, fact, actor))
        self._late.add(task)
        task.add_done_callback(self._kept)

    async def _keep_after(self, recording: asyncio.Task[Entry], fact: Fact, actor: str) -> Entry:
        """What a first try gives that takes its time; else as `keep`."""
        try:
            return await recording
        except Deposed:
            raise
        except JournalError:
            return await self.keep(fact, actor)

    def _kept(self, task: asyncio.Task[Entry]) -> None:
        self._late.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.problem = str(task.exception())  # deposed: the heartbeat ends the engine

    def signal(self, signal: Signal) -> None:
        """Tell a passing fact."""
        self._hub.signal(signal)

    def forget(self, kind: str, name: str) -> None:
        """Tell nobody any more what was told of a probe, a panel or a target's link until now."""
        self._hub.forget(kind, name)

    async def changed(self) -> None:
        """Wait until the next entry."""
        await self._changed.wait()


@contextmanager
def _without_garbage() -> Iterator[None]:
    """A fold makes no cycles, and looking for some costs more the more it has made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _retrieve(recording: asyncio.Task[Entry]) -> None:
    """Whose caller was cancelled has nobody to tell its error to: `problem` says it."""
    if not recording.cancelled():
        recording.exception()


def redacted(fact: Any, secrets: Secrets) -> Any:
    """The same dataclass with every secret value in it replaced by `[REDACTED]`."""
    assert is_dataclass(fact)
    plain = to_plain(fact)
    clean = _clean(plain, secrets)
    return fact if clean == plain else from_plain(type(fact), clean)


def _clean(value: Any, secrets: Secrets) -> Any:
    if isinstance(value, str):
        # a lone surrogate has no UTF-8 form, and what others wrote must never stop the journal
        return secrets.redact(value.encode("utf-8", "replace").decode())
    if isinstance(value, Mapping):
        return {key: _clean(one, secrets) for key, one in value.items()}
    if isinstance(value, list):
        return [_clean(one, secrets) for one in value]
    return value
