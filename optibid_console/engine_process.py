"""The engine as a process of its own: found when it runs, started when it doesn't."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from optibid_console import paths
from optibid_console.engine_record import EngineRecord, find, find_in, journal_text
from optibid_console.feed.socket_file import answers, responds
from optibid_console.file_lock import FileLock
from optibid_console.journal.journal import JournalAway, JournalError
from optibid_console.journal.lease import Standing, holding
from optibid_console.journal.places import (
    held,
    is_closed,
    own_address,
    runbook_digest,
)
from optibid_console.journal_place import Address, Place, place_of
from optibid_console.rehearsing import mismatch
from optibid_console.source import SourceError
from probes.error_words import error_words
from probes.text import one_line

READY_S = 60.0
ANSWER_S = 2.0
"""An engine that hasn't answered for so long, in seconds, is suspended or stuck."""
GONE_S = 0.5
"""One that was killed this moment still has its record for a while."""
_LOOK_S = 0.05
_LOG_LINES = 5


class EngineStartError(SourceError):
    """The engine didn't start; `exit_code` is how the command should end."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Wanted:
    """The window that an engine is wanted for."""

    config: Path
    window: str
    """Its name in the runbook."""
    operator: str
    journal: Place | None = None
    """None: this config's open window, or a new one."""
    t0: str | None = None
    take_over: str = ""
    """Why the journal is to be taken from an engine that doesn't answer; empty: it isn't."""
    take_over_of: str = ""
    """Who holds it, for a team's journal whose engine beats."""
    accept_runbook: bool = False
    digest: str = ""
    """Of the runbook; for `accept_runbook`."""
    rehearsal: bool = False
    """A window in which nothing is changed."""


async def find_or_start(wanted: Wanted) -> EngineRecord:
    """The engine that runs this window, started if need be, once it can be attached to.

    Of several that ask at once one starts it and all get it. Raises `EngineStartError`,
    `SourceError`, `JournalError`.
    """
    return (await found_or_started(wanted))[0]


async def found_or_started(wanted: Wanted) -> tuple[EngineRecord, bool]:
    """As `find_or_start`, and whether it was this call that started it."""
    key = paths.journal_key(wanted.journal) if wanted.journal else _family(wanted)
    async with _starting(paths.engines_dir() / f"{key}.starting"):
        journal = await asyncio.to_thread(_own_journal, wanted)
        found = find(journal)
        if found is not None and await _answering(found):
            if await asyncio.to_thread(responds, Path(found.socket), ANSWER_S):
                await asyncio.to_thread(_check_runbook, found, wanted)
                return found, False
            await until_gone(found, GONE_S)
            if not wanted.take_over and find(journal) == found:
                raise EngineStartError(await asyncio.to_thread(silent, found), 3)
        await _start(wanted, journal)
        record = find(journal)
        if record is None or not await _answering(record):
            raise EngineStartError(_ended(journal, "it ended as soon as it was ready"), 1)
        return record, True


async def until_gone(record: EngineRecord, within_s: float = READY_S) -> None:
    """Wait until this engine has ended, at most as long as one may take to be ready."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while find(place_of(record.journal)) == record:  # noqa: ASYNC110 (another process ends)
                await asyncio.sleep(_LOOK_S)


def silent(record: EngineRecord) -> str:
    """What to say of an engine that doesn't answer: who, since when, and what can be done."""
    now = held(place_of(record.journal))
    said = holding(now.lease, Standing.SILENT, now.lease.beat_at + now.beat_age_s)
    return (
        f"{said}, and it doesn't answer: it may be suspended, or stuck on its disk.\n"
        f"  {paths.APP} run --watch                  shows what is recorded, changes nothing\n"
        f'  {paths.APP} run --take-over "REASON"     starts another engine that takes it over'
    )


def _check_runbook(record: EngineRecord, wanted: Wanted) -> None:
    """A running engine goes by the runbook with which it was started."""
    place = place_of(record.journal)
    if record.rehearsal != wanted.rehearsal:
        raise EngineStartError(mismatch(wanted.rehearsal), 3)
    if not wanted.accept_runbook:
        return
    try:
        digest = runbook_digest(place)
    except JournalError:
        return  # its server is away: the engine that runs says so itself
    if digest != wanted.digest:
        raise EngineStartError(
            f"the engine (process {record.pid}) runs this window with the runbook as it was: "
            f"`{paths.APP} reload` changes it; or end it (kill {record.pid}; runs under way go "
            "on) and give this command again",
            3,
        )


def _family(wanted: Wanted) -> str:
    begins = paths.family(wanted.config, wanted.window)
    return f"{begins}.rehearsal" if wanted.rehearsal else begins


def _own_journal(wanted: Wanted) -> Place:
    return the_journal(
        wanted.journal, wanted.config, wanted.window, wanted.digest, rehearsal=wanted.rehearsal
    )


def the_journal(
    given: Place | None, config: Path, window: str, digest: str, *, rehearsal: bool
) -> Place:
    """The journal that is meant by what was given, with its name where a server keeps many.

    Raises `JournalError`."""
    if given is None:
        return own_journal(config, window, digest, rehearsal=rehearsal)
    if not isinstance(given, Address):
        return given
    known = find(given) if given.window else find_in(given, window, rehearsal=rehearsal)
    if known is not None:
        return place_of(known.journal)  # also while the server is away
    try:
        return own_address(given, window, rehearsal=rehearsal)
    except JournalAway:
        if not given.window:
            raise
        return given  # an engine that runs it is found all the same


def own_journal(config: Path, window: str, digest: str, *, rehearsal: bool) -> Path:
    """The journal of this config's open window, or of its rehearsal, or a new one's path.

    A rehearsal of another runbook isn't gone on with: a new one costs nothing."""

    def is_over(journal: Path) -> bool:
        return is_closed(journal) or bool(digest and runbook_digest(journal) != digest)

    if rehearsal:
        return paths.journal_for(config, window, is_over, where=paths.rehearsals_dir())
    return paths.journal_for(config, window, is_closed)


@asynccontextmanager
async def _starting(path: Path) -> AsyncIterator[None]:
    lock = FileLock(path)
    try:
        async with asyncio.timeout(2 * READY_S):
            while not lock.acquire():  # noqa: ASYNC110 (another process lets it go)
                await asyncio.sleep(_LOOK_S)
    except TimeoutError as error:
        raise SourceError(f"somebody else is starting this engine, for too long: {path}") from error
    except OSError as error:
        raise SourceError(f"{path} can't be made: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


async def _answering(record: EngineRecord) -> bool:
    """Wait until the engine can be attached to; False when it ends instead."""
    if record.host != platform.node():
        raise SourceError(
            f"the engine of {record.journal} runs on {record.host}: "
            f"`{paths.APP} attach ssh://{record.host}/` comes to it"
        )
    try:
        async with asyncio.timeout(READY_S):
            while not await asyncio.to_thread(answers, Path(record.socket)):
                if find(place_of(record.journal)) is None:
                    return False
                await asyncio.sleep(_LOOK_S)
    except TimeoutError as error:
        raise SourceError(
            f"the engine (process {record.pid}) runs, but nothing answers at {record.socket}; "
            f"its log: {paths.engine_log(place_of(record.journal))}"
        ) from error
    return True


async def _start(wanted: Wanted, journal: Place) -> None:
    """Start the engine and wait until it is ready. Raises `EngineStartError`."""
    reads, writes = os.pipe()
    try:
        with _log(journal) as log:
            process = subprocess.Popen(  # noqa: ASYNC220 (forks and returns, in milliseconds)
                _command(wanted, journal, writes),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writes,),
                start_new_session=True,
            )
    except OSError as error:
        os.close(reads)
        raise EngineStartError(f"the engine can't be started: {error_words(error)}", 1) from error
    finally:
        os.close(writes)
    threading.Thread(target=process.wait, daemon=True, name="engine's end").start()
    try:
        said = await asyncio.wait_for(_all_of(reads), READY_S)
    except TimeoutError as error:
        process.terminate()
        raise EngineStartError(_ended(journal, f"not ready within {READY_S:g} s"), 1) from error
    if said == "ready\n":
        return
    first, _, message = said.partition("\n")
    code = first.removeprefix("error ")
    if first.startswith("error ") and code.isdecimal():
        raise EngineStartError(message.strip(), int(code))
    raise EngineStartError(_ended(journal, "it ended before it was ready"), 1)


def _command(wanted: Wanted, journal: Place, ready_fd: int) -> list[str]:
    command = [
        sys.executable, "-m", "optibid_console", "engine", "-c", str(wanted.config.resolve()),
        "--journal", journal_text(journal), "--as", wanted.operator, "--ready-fd", str(ready_fd),
    ]  # fmt: skip
    if wanted.t0:
        command += ["--t0", wanted.t0]
    if wanted.take_over:
        command += [f"--take-over={wanted.take_over}", f"--of={wanted.take_over_of}"]
    if wanted.accept_runbook:
        command += ["--accept-runbook"]
    if wanted.rehearsal:
        command += ["--rehearse"]
    return command


@contextmanager
def _log(journal: Place) -> Iterator[int]:
    log = paths.engine_log(journal)
    paths.make_private(log.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    fd = os.open(log, flags, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


async def _all_of(fd: int) -> str:
    """What is written into a pipe until it is closed."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(fd, "rb"))
    try:
        return (await reader.read()).decode("utf-8", "replace")
    finally:
        transport.close()


def _ended(journal: Place, how: str) -> str:
    """The message about an engine that is gone, with what it printed last."""
    log = paths.engine_log(journal)
    try:
        lines = log.read_bytes()[-8_000:].splitlines()[-_LOG_LINES:]
    except OSError:
        lines = []
    shown = "".join(f"\n  {one_line(line, 200)}" for line in lines)
    return f"the engine didn't start: {how}; its log {log} ends with:{shown or ' nothing'}"
