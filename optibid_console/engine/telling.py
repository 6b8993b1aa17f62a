"""People told of what happens: a line of messages for each channel, beside everything else.

Nothing waits for it. What is told, failed or given up is an entry, so that no restart tells
anything twice; what an engine left untold, the next one tells late or says that it doesn't.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from optibid_console import entries as e
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.sending import NotTold, send
from optibid_console.journal.journal import JournalError
from optibid_console.runbook.channels import Channel
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.secrets import Secrets
from optibid_console.state import Untold, WindowState
from optibid_console.targets.following import drop
from optibid_console.telling import TOO_OLD_S, Message, marked_late, messages, outdated
from probes.error_words import bug_words

Send = Callable[[Channel, Message, Secrets], Awaitable[None]]
_AT_ONCE = 200
"""How many entries of the past are looked at before others have their turn."""
_AGAIN_S = 1.0
"""After so long the journal is read again where it couldn't be."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a channel is given. All in seconds."""

    delays_s: tuple[float, ...] = (5.0, 20.0, 60.0, 200.0)
    """Between the tries, of which there is one more: five in five minutes."""
    jitter: float = 0.25
    """Each delay is up to this part of it shorter or longer."""
    late_s: float = 60.0
    """What is told later than this after it happened says so."""
    too_old_s: float = TOO_OLD_S
    grace_s: float = 2.0
    """How long an engine that ends waits for what is being told."""


@dataclass(order=True, slots=True)
class _Waiting:
    due: float
    """On the loop's clock."""
    about: int
    message: Message = field(compare=False)
    late: bool = field(compare=False, default=False)
    attempts: int = field(compare=False, default=0)
    asked: bool = field(compare=False, default=False)
    """Somebody asked for it: it is told however old it is."""
    repeat: bool = field(compare=False, default=False)
    """An engine before this one may have told it: its end may have cut a try off."""


class _Line:
    """The messages of one channel that wait for their time."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.waiting: list[_Waiting] = []
        self.current: _Waiting | None = None
        """What is being told."""
        self.calm = asyncio.Event()
        """Nothing is being told, and nothing is due."""
        self._news = asyncio.Event()

    def put(self, one: _Waiting) -> None:
        heapq.heappush(self.waiting, one)
        self.calm.clear()
        self._news.set()

    def take_all(self) -> list[_Waiting]:
        """What waits or is being told, in its order; afterwards nothing waits."""
        taken = sorted([self.current, *self.waiting] if self.current else self.waiting)
        self.waiting = []
        return taken

    async def next(self) -> _Waiting:
        """The message that is due first, at its time."""
        loop = asyncio.get_running_loop()
        while True:
            left_s = self.waiting[0].due - loop.time() if self.waiting else None
            if left_s is not None and left_s <= 0:
                return heapq.heappop(self.waiting)
            self.calm.set()
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left_s)


class Telling:
    """Tells people through the runbook's channels."""

    def __init__(
        self,
        loaded: Loaded,
        ledger: Ledger,
        patience: Patience | None = None,
        send_one: Send = send,
    ) -> None:
        self._loaded = loaded
        self._ledger = ledger
        self._patience = patience or Patience()
        self._send = send_one
        self._past = ledger.state.seq
        """Entries up to here were made before this engine could hear them."""
        self._lines = {name: _Line(channel) for name, channel in _used(loaded).items()}
        self._given_up: dict[tuple[int, str], Message] = {}
        """What is tried again only when somebody asks for it."""
        self._repeats: set[tuple[int, str]] = set()
        """What an engine before this one may have told without living to say so."""
        self._since = time.time()
        self._adopted = asyncio.Event()
        self._dropped: list[_Line] = []
        """The lines of channels that the runbook has no more."""
        ledger.watch(self._heard)

    async def run(self) -> None:
        """Until cancelled. Raises `Deposed`."""
        await self._note_off()
        if self._lines:
            await self._look_back()
        working: dict[_Line, asyncio.Task[None]] = {}
        try:
            while True:
                self._adopted.clear()
                await self._drop(working)
                await self._note_off()
                for line in self._lines.values():
                    if line not in working:
                        working[line] = asyncio.create_task(self._work(line))
                await _any(self._adopted, working.values())
        finally:
            await drop(*working.values())

    def adopt(self, loaded: Loaded) -> None:
        """Go by another runbook: what waits for a channel that it has too is told by it."""
        before, self._loaded = self._lines, loaded
        self._lines = {}
        for name, channel in _used(loaded).items():
            line = before.pop(name, None) or _Line(channel)
            line.channel = channel
            self._lines[name] = line
        self._dropped += before.values()
        self._adopted.set()

    async def _drop(self, working: dict[_Line, asyncio.Task[None]]) -> None:
        """End the lines of channels that are gone, and say what they don't tell any more."""
        while self._dropped:
            line = self._dropped.pop()
            if line in working:
                await drop(working.pop(line))
            for one in line.take_all():
                why = f"the accepted runbook doesn't use the channel {line.channel.id}"
                await self._skip(one, why)

    async def _note_off(self) -> None:
        if self._ledger.state.telling.off != self._loaded.channels_off:
            await self._ledger.keep(e.ChannelsSet(dict(self._loaded.channels_off)))

    async def finish(self) -> None:
        """Before the engine ends: let what is being told get through, for a moment. Of a
        closed window nobody tells the rest later: say so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience.grace_s):
                for line in self._lines.values():
                    await line.calm.wait()
        if self._ledger.state.closed is None:
            return
        for line in self._lines.values():
            for one in line.take_all():
                before = self._ledger.state.telling.untold.get(one.message.key)
                why = "the window is closed, and its engine ended before this was told"
                await self._skip(one, f"{why}; {_last(before)}" if before else why)

    def again(self) -> int:
        """Tell now what failed or was given up; gives how many."""
        now = asyncio.get_running_loop().time()
        messages = [one for key, one in self._given_up.items() if key[1] in self._lines]
        self._given_up.clear()
        for line in self._lines.values():
            messages += [one.message for one in line.take_all() if one is not line.current]
        for one in sorted(messages, key=lambda one: one.about):
            repeat = one.key in self._repeats
            self._lines[one.channel].put(
                _Waiting(now, one.about, one, repeat, asked=True, repeat=repeat)
            )
        return len(messages)

    # What is to be told

    def _heard(self, before: WindowState, entry: e.Entry, after: WindowState) -> None:
        for message in messages(before, entry, after, self._loaded.runbook):
            self._put(message, late=False)

    async def _look_back(self) -> None:
        """Take up what engines before this one left untold."""
        state, an_engine_ran = WindowState(), False
        while state.seq < self._past:
            for entry in await self._read(state.seq):
                before, state = state, state.apply(entry)
                an_engine_ran = an_engine_ran or isinstance(entry.fact, e.EngineStarted)
                if state.seq > self._past:
                    return
                for message in messages(before, entry, state, self._loaded.runbook):
                    self._take_up(message, state, late=an_engine_ran)
            await asyncio.sleep(0)

    def _take_up(self, message: Message, then: WindowState, *, late: bool) -> None:
        """A channel that came later, or couldn't be used then, is told nothing of before."""
        telling, key = self._ledger.state.telling, message.key
        channels = then.runbook.tell if then.runbook else {}
        if key in telling.settled:
            if key in telling.untold:
                self._given_up[key] = message
        elif message.channel in channels and message.channel not in then.telling.off:
            self._put(message, late=late)

    async def _read(self, after: int) -> list[e.Entry]:
        while True:
            try:
                return await self._ledger.read(after, _AT_ONCE)
            except JournalError:
                await asyncio.sleep(_AGAIN_S)

    def _put(self, message: Message, *, late: bool) -> None:
        line = self._lines.get(message.channel)
        if line is None:
            return
        before = self._ledger.state.telling.untold.get(message.key)
        most = len(self._patience.delays_s)  # at least one try is left
        attempts = min(before.attempts, most) if before else 0
        due = asyncio.get_running_loop().time()
        # the next try of one that had failed was still to come
        repeat = late and not (before and before.retry_at > self._since)
        if repeat:
            self._repeats.add(message.key)
        line.put(_Waiting(due, message.about, message, late, attempts, repeat=repeat))

    # Telling it

    async def _work(self, line: _Line) -> None:
        while True:
            line.current = await line.next()
            await self._tell(line, line.current)
            line.current = None

    async def _tell(self, line: _Line, one: _Waiting) -> None:
        message, age_s = one.message, time.time() - one.message.at
        if age_s > self._patience.too_old_s and not one.asked:
            self._given_up[message.key] = message
            before = self._ledger.state.telling.untold.get(message.key)
            why = f"it is {age_s / 60:.0f} min old: told now it would mislead"
            await self._skip(one, f"{why}; {_last(before)}" if before else why)
            return
        if why := outdated(message, self._ledger.state):
            await self._skip(one, why)
            return
        late = one.late or age_s > self._patience.late_s
        told = marked_late(message, time.time(), repeat=one.repeat) if late else message
        attempt = one.attempts + 1
        try:
            await self._send(line.channel, told, self._loaded.secrets)
        except Exception as error:  # a bug in telling must never end the engine of a window
            await self._failed(line, one, attempt, _why(error, self._loaded.secrets))
        else:
            await self._ledger.keep_soon(
                e.Told(message.about, message.channel, message.title, attempt, late)
            )

    async def _skip(self, one: _Waiting, why: str) -> None:
        message = one.message
        await self._ledger.keep_soon(
            e.TellingSkipped(message.about, message.channel, message.title, why)
        )

    async def _failed(self, line: _Line, one: _Waiting, attempt: int, why: str) -> None:
        delays = self._patience.delays_s
        over = attempt > len(delays)
        wait_s = 0.0 if over else delays[attempt - 1] * self._spread()
        message = one.message
        if over:
            self._given_up[message.key] = message  # first: who sees the entry can ask for it again
        await self._ledger.keep_soon(
            e.TellingFailed(
                message.about, message.channel, message.title, why, attempt, round(wait_s, 1), over
            )
        )
        if over:
            return
        due = asyncio.get_running_loop().time() + wait_s
        line.put(_Waiting(due, message.about, message, one.late, attempt, one.asked, one.repeat))

    def _spread(self) -> float:
        return 1 + random.uniform(-self._patience.jitter, self._patience.jitter)


def _used(loaded: Loaded) -> dict[str, Channel]:
    """Returns the channels through which people are told."""
    off = loaded.channels_off
    return {name: one for name, one in loaded.runbook.tell.items() if name not in off}


async def _any(event: asyncio.Event, tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for the event. A task that breaks meanwhile raises its error."""
    happens = asyncio.create_task(event.wait())
    try:
        ended, _ = await asyncio.wait({happens, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in ended - {happens}:
            task.result()
    finally:
        happens.cancel()


def _last(before: Untold) -> str:
    return f"the last try said: {before.reason}"


def _why(error: Exception, secrets: Secrets) -> str:
    if isinstance(error, NotTold):
        return str(error)
    return secrets.redact(bug_words(error))
