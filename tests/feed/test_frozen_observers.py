"""Observers that are suspended: let go, and back with every entry and a word on what passed by."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from optibid_console.feed import watcher
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.signals import LogLines, Pulse
from tests.e2e.terminal import Terminal
from tests.feed.conftest import Window
from tests.feed.observing import Shared, own_state
from tests.screens import recording as rec

ROOT = Path(__file__).parents[2]
WITHIN_S = 90.0


@pytest.fixture
async def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shared]:
    own_state(tmp_path, monkeypatch)
    monkeypatch.setattr(watcher, "STUCK_S", 2.0)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    journal = await SqliteJournal.open(tmp_path / "one.journal", create=True)
    window = Window(tmp_path / "engine.sock", journal)
    for entry in rec.opened().entries:
        await window.append(entry.actor, entry.fact)
    shared = Shared(window)
    await shared.start()
    yield shared
    await shared.listener.close("over")
    await journal.close()


async def until(holds) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.05)


def waiting_bytes(shared: Shared) -> int:
    """What waits for the one that keeps least up, in its backlog and on its way."""
    return max(
        (
            one.outbox.waiting_bytes + one.ws.transport.get_write_buffer_size()
            for one in shared.listener._watchers
        ),
        default=0,
    )


@pytest.mark.slow
async def test_frozen_observers_are_let_go_and_come_back_with_every_entry(
    shared: Shared, tmp_path: Path
) -> None:
    lines, hub = tmp_path / "lines.jsonl", shared.window.hub
    with lines.open("wb") as out:
        machine = subprocess.Popen(
            [sys.executable, "-m", "optibid_console", "watch", "--json"], stdout=out,
            env={**os.environ, "OPTIBID_LINK": shared.link("machine").text()},
        )  # fmt: skip
    terminal = Terminal(
        "watch", shared.link("screen").text(), "--as", "bob", cwd=tmp_path, columns=200, rows=45
    )
    try:
        await asyncio.to_thread(terminal.until, "WATCHING", "Timeline")
        await until(lambda: "caught_up" in lines.read_text())
        machine.send_signal(signal.SIGSTOP)
        terminal.signal(signal.SIGSTOP)
        most, number = 0, 0
        async with asyncio.timeout(WITHIN_S):
            while shared.listener.watchers:
                number += 1
                hub.signal(LogLines("backend", b"x" * 99_999 + b"\n", 1))
                hub.signal(Pulse(float(number), 0.0, True))
                await shared.window.notes(1)
                most = max(most, waiting_bytes(shared))
                await asyncio.sleep(0.02)
        assert most < watcher.BACKLOG_BYTES + 4 * watcher.BUFFER_BYTES
        await shared.window.notes(20)
        hub.signal(LogLines("backend", b"the present\n", 1))
        machine.send_signal(signal.SIGCONT)
        terminal.signal(signal.SIGCONT)
        seen = await asyncio.to_thread(terminal.until, "signals missed", "the present")
        assert "feed lost" not in seen
        head = shared.window.journal.head()[0]
        # the lines that the engine has kept come after the entries, and this one comes last
        await until(lambda: "the present" in lines.read_text())
    finally:
        machine.kill()
        machine.wait()
        terminal.close()
    told = [json.loads(line) for line in lines.read_text().splitlines(keepends=True)
            if line.endswith("\n")]  # fmt: skip
    assert [one["entry"]["seq"] for one in told if "entry" in one] == list(range(1, head + 1))
    assert any("lost" in one for one in told)
    missed = [one["body"] for one in told if one.get("signal") == "missed"]
    got = sum(one.get("signal") == "log-lines" and len(one["body"]["text"]) > 99_000
              for one in told)  # fmt: skip
    assert sum(one["lines"] for one in missed) + got == number
