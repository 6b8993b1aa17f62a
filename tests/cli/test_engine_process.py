"""The engine as a process: started once, found again, and nothing is left of it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from optibid_console import engine_process, engine_record
from optibid_console.commands import Accepted, CloseWindow, Leave, Refused, WriteNote
from optibid_console.engine_process import EngineStartError, Wanted, find_or_start
from optibid_console.engine_record import EngineRecord
from optibid_console.entries import Entry, OperatorTook
from optibid_console.feed.client import FeedSource
from optibid_console.journal.chain import verify
from optibid_console.journal.file import entries_of
from optibid_console.source import CaughtUp, Ended, Lost, Role
from tests.home import WITHIN_S, until


@pytest.fixture
def wanted(home) -> Wanted:
    return Wanted(home.config, "Little window", "ann")


async def test_two_starts_at_once_give_one_engine(home, wanted: Wanted) -> None:
    explicit = replace(wanted, journal=home.path / "a.journal")
    records = await asyncio.gather(*(find_or_start(explicit) for _ in range(3)))
    assert len({one.pid for one in records}) == 1
    assert engine_record.running() == [records[0]]


def test_two_commands_racing_give_one_engine_and_one_journal(home) -> None:
    program = (
        "import asyncio; from pathlib import Path; "
        "from optibid_console.engine_process import *; "
        f"w = Wanted(Path({str(home.config)!r}), 'Little window', 'ann'); "
        "print(asyncio.run(find_or_start(w)).pid)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    pids = {one.communicate(timeout=WITHIN_S)[0] for one in started}
    assert len(pids) == 1
    assert [str(one.pid) for one in engine_record.running()] == [pids.pop().strip()]
    assert len(list((home.state / "windows").glob("*.journal"))) == 1


async def test_an_engine_outlives_who_started_it_and_is_found(home, wanted: Wanted) -> None:
    record = await find_or_start(wanted)
    assert os.getsid(record.pid) == record.pid
    assert await find_or_start(wanted) == record
    home.end_engines()
    assert home.left() == []
    assert verify(Path(record.journal)).problem == ""


async def test_after_a_kill_the_next_start_goes_on(home, wanted: Wanted) -> None:
    first = await find_or_start(wanted)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: engine_record.find(Path(first.journal)) is None)
    assert Path(first.socket).exists()
    second = await find_or_start(wanted)
    assert second.pid != first.pid
    assert (second.journal, second.socket) == (first.journal, first.socket)
    home.end_engines()
    assert home.left() == []


async def test_a_screen_finds_the_engine_that_was_killed_and_started_again(wanted: Wanted) -> None:
    first = await find_or_start(wanted)
    source = FeedSource(Path(first.socket), "ann", "drive")
    seen = []
    async with aclosing(source.events()) as events, asyncio.timeout(WITHIN_S):
        async for event in events:
            seen.append(event)
            if isinstance(event, CaughtUp) and not any(isinstance(one, Lost) for one in seen):
                os.kill(first.pid, signal.SIGKILL)
                await asyncio.to_thread(until, lambda: not engine_record.running())
                starting = asyncio.create_task(find_or_start(wanted))
            elif isinstance(event, CaughtUp):
                break
    await starting
    seqs = [one.seq for one in seen if isinstance(one, Entry)]
    assert seqs == list(range(1, seqs[-1] + 1))


async def test_the_second_console_is_told_who_drives_and_can_take_over(wanted: Wanted) -> None:
    record = await find_or_start(wanted)
    async with asyncio.timeout(WITHIN_S):
        first = FeedSource(Path(record.socket), "ann", "drive")
        second = FeedSource(Path(record.socket), "bob", "drive")
        async with aclosing(first.events()) as one, aclosing(second.events()) as two:
            assert await anext(one) == Role(True, "ann", pytest.approx(time.time(), abs=60))
            role = await anext(two)
            assert isinstance(role, Role)
            assert (role.operator, role.holder) == (False, "ann")
            reply = await second.send(WriteNote("window", "mine"))
            assert isinstance(reply, Refused)
            assert "ann drives this window" in reply.why
            assert isinstance(await first.send(Leave()), Accepted)


async def test_closing_the_window_ends_the_engine_and_the_next_is_a_new_one(
    home, wanted: Wanted
) -> None:
    record = await find_or_start(wanted)
    source = FeedSource(Path(record.socket), "ann", "drive")
    async with aclosing(source.events()) as events, asyncio.timeout(WITHIN_S):
        assert isinstance(await anext(events), Role)
        assert isinstance(await source.send(CloseWindow("abandoned", "a test")), Accepted)
        last = [event async for event in events][-1]
    assert isinstance(last, Ended)
    until(lambda: not engine_record.running())
    assert home.left() == []
    again = await find_or_start(wanted)
    assert again.journal != record.journal
    with pytest.raises(EngineStartError, match="this window is closed") as caught:
        await find_or_start(replace(wanted, journal=Path(record.journal)))
    assert caught.value.exit_code == 3


async def test_why_an_engine_does_not_start_is_said_with_its_exit_code(
    home, wanted: Wanted
) -> None:
    with pytest.raises(EngineStartError, match="gibberish") as caught:
        await find_or_start(replace(wanted, t0="gibberish"))
    assert caught.value.exit_code == 2
    bad = home.path / "bad.journal"
    bad.write_text("not a journal at all, but long enough to look at" * 10)
    with pytest.raises(EngineStartError, match="is not a journal") as caught:
        await find_or_start(replace(wanted, journal=bad))
    assert caught.value.exit_code == 2
    assert home.left() == []


async def test_an_engine_that_dies_early_is_explained_by_its_log(
    home, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = home.path / "python"
    broken.write_text("#!/bin/sh\nprintf 'out of \\033[31mmemory\\n' >&2\nexit 7\n")
    broken.chmod(0o755)
    monkeypatch.setattr(engine_process.sys, "executable", str(broken))
    with pytest.raises(EngineStartError, match=r"(?s)before it was ready.*\n  out of memory$"):
        await find_or_start(wanted)
    assert home.left() == []


async def test_an_engine_that_never_gets_ready_is_ended(
    home, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = home.path / "python"
    hanging.write_text(f"#!/bin/sh\necho $$ > {home.path}/pid\nexec sleep 100\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(engine_process.sys, "executable", str(hanging))
    monkeypatch.setattr(engine_process, "READY_S", 0.5)
    with pytest.raises(EngineStartError, match=r"not ready within 0\.5 s"):
        await find_or_start(wanted)
    pid = int((home.path / "pid").read_text())
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_second_engine_in_the_foreground_is_refused(home) -> None:
    with home.start("engine", "--journal", "a.journal") as engine:
        until(engine_record.running)
        second = home.run("engine", "--journal", "a.journal")
        assert second.returncode == 3
        assert f"(process {engine.pid} on " in second.stderr
        assert "attach" in second.stderr
        engine.send_signal(signal.SIGTERM)
        out, err = engine.communicate(timeout=WITHIN_S)
    assert (engine.returncode, out, err) == (0, "", "")
    assert home.left() == []


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.3, 0.6, 1.0])
def test_an_engine_told_to_end_at_any_moment_leaves_nothing(home, after_s: float) -> None:
    with home.start("engine") as engine:
        time.sleep(after_s)
        engine.send_signal(signal.SIGTERM)
        _, err = engine.communicate(timeout=WITHIN_S)
    assert "Traceback" not in err
    assert home.left() == []


class Terminal:
    """A command in a terminal that somebody reads."""

    def __init__(self, *arguments: str) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:  # pragma: no cover (another process)
            os.environ["TERM"] = "xterm-256color"
            os.execv(sys.executable, [sys.executable, *arguments])
        self.drawn = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                self.drawn.extend(os.read(self._fd, 65536))
            except OSError:  # EIO: nobody has the other end open any more
                return

    def wait(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        self._reader.join(WITHIN_S)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()


def takings(record: EngineRecord) -> int:
    entries = entries_of(Path(record.journal))
    return sum(isinstance(one.fact, OperatorTook) for one in entries)


def operator(home) -> str:
    said: str = json.loads(home.run("status", "--json").stdout)["operator"]
    return said


def test_a_screen_in_a_terminal_starts_drives_and_dies_without_the_engine(home) -> None:
    terminal = Terminal("-m", "optibid_console", "--as", "ann")
    try:
        until(lambda: engine_record.running() and b"Little window" in terminal.drawn)
        journal = engine_record.running()[0].journal
        until(lambda: operator(home) == "ann")
    finally:
        terminal.kill()
    until(lambda: operator(home) == "")
    assert [one.journal for one in engine_record.running()] == [journal]


def test_a_screen_whose_engine_is_killed_starts_it_again(home) -> None:
    terminal = Terminal("-m", "optibid_console", "--as", "ann")
    try:
        until(engine_record.running)
        until(lambda: operator(home) == "ann")
        first = engine_record.running()[0]
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: [one.pid for one in engine_record.running()] not in ([], [first.pid]))
        second = engine_record.running()[0]
        assert second.journal == first.journal
        until(lambda: takings(second) == 2)
    finally:
        terminal.kill()


def test_a_bug_in_a_screen_leaves_the_terminal_and_the_engine_alone(home) -> None:
    program = (
        "from screens.app import ConsoleApp\n"
        "def bug(self): raise RuntimeError('a bug in a screen')\n"
        "ConsoleApp.on_mount = bug\n"
        "from optibid_console.cli import main\n"
        "raise SystemExit(main(['run']))"
    )
    terminal = Terminal("-c", program)
    assert terminal.wait() == 1
    said = terminal.drawn.decode(errors="replace")
    assert "Traceback" not in said
    assert (
        "internal error of the console (runtime error: a bug in a screen); the details are in"
        in said
    )


async def test_a_take_over_is_an_entry(wanted: Wanted) -> None:
    record = await find_or_start(wanted)
    source = FeedSource(Path(record.socket), "ann", "drive")
    async with aclosing(source.events()) as events, asyncio.timeout(WITHIN_S):
        async for event in events:
            if isinstance(event, Entry) and isinstance(event.fact, OperatorTook):
                assert event.fact.operator == "ann"
                return
