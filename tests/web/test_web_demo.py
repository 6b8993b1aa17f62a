"""A whole demo window, watched by three: JSON lines, a terminal and a browser."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from optibid_console.cli.web import FeedDoor
from optibid_console.demo.place import Place
from optibid_console.entries import entry_from_plain
from optibid_console.feed.link import parse_link
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.state import WindowState
from optibid_console.web.site import Listening, Site
from tests.e2e.terminal import Terminal
from tests.servers.chromium import Tab, chromium
from tests.web.conftest import REPOSITORY
from tests.web.folding_child import told

WINDOW_S = 120.0
LINK = re.compile(r"^demo: (\w+) watches it with: optibid-console watch '([^']+)'$", re.MULTILINE)


class Demo:
    """The headless demo, sharing its window."""

    def __init__(self, root: Path) -> None:
        self.place = Place(root / "demo")
        self._said = root / "demo.err"
        self.machine: subprocess.Popen[bytes] | None = None
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "optibid_console", "demo", "--headless", "--keep",
                 "--speed", "150", "--dir", str(self.place.root), "--serve", "127.0.0.1:0",
                 "--share", "json", "--share", "screen", "--share", "browser"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
            )  # fmt: skip

    async def links(self) -> dict[str, str]:
        give_up = time.monotonic() + WINDOW_S
        while len(found := dict(LINK.findall(self._said.read_text()))) < 3:
            assert self.process.poll() is None, self._said.read_text()
            assert time.monotonic() < give_up, self._said.read_text()
            await asyncio.sleep(0.1)
        return found

    def watched_by_a_machine(self, link: str, lines: Path) -> subprocess.Popen[bytes]:
        with lines.open("wb") as out:
            self.machine = subprocess.Popen(
                [sys.executable, "-m", "optibid_console", "watch", "--json"],
                stdin=subprocess.DEVNULL, stdout=out, cwd=REPOSITORY,
                env={**os.environ, "OPTIBID_LINK": link},
            )  # fmt: skip
        return self.machine

    def close(self) -> None:
        for process in (self.process, self.machine):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(30)

    async def ends(self) -> None:
        assert await asyncio.to_thread(self.process.wait, WINDOW_S) == 0, self._said.read_text()

    async def state(self) -> WindowState:
        """What the operator's own journal folds to."""
        journal = await SqliteJournal.open(self.place.journal, writable=False)
        state = WindowState()
        for entry in await journal.read(0, 100_000):
            state = state.apply(entry)
        await journal.close()
        return state


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    running = Demo(tmp_path)
    yield running
    running.close()


@asynccontextmanager
async def in_a_browser(link: str, directory: Path) -> AsyncIterator[Tab]:
    parsed = parse_link(link)
    site = Site(
        FeedDoor(parsed), [sys.executable, "-m", "tests.web.folding_child"],
        Listening("127.0.0.1", 0), "OptiBid demo", print,
    )  # fmt: skip
    await site.start()
    try:
        with chromium(directory / "profile") as browser:
            async with browser.tab() as tab:
                await tab.go(f"http://127.0.0.1:{site.port}/#{parsed.token}")
                yield tab
    finally:
        await site.close()


@contextmanager
def in_a_terminal(link: str) -> Iterator[Terminal]:
    terminal = Terminal(
        "watch", link, "--as", "ann", cwd=REPOSITORY, columns=160, rows=45,
        module="tests.web.folding_watch",
    )  # fmt: skip
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.mark.slow
@pytest.mark.server("chromium")
@pytest.mark.server("postgres")
async def test_three_observers_of_a_whole_window_have_the_operator_s_state(
    demo: Demo, tmp_path: Path
) -> None:
    links = await demo.links()
    lines = tmp_path / "lines.json"
    machine = demo.watched_by_a_machine(links["json"], lines)
    async with in_a_browser(links["browser"], tmp_path) as tab:
        with in_a_terminal(links["screen"]) as terminal:
            await tab.until("WATCHING demo's window", "Timeline", within_s=WINDOW_S)
            await asyncio.to_thread(terminal.until, "WATCHING demo's window", "Timeline")
            await demo.ends()
            assert await asyncio.to_thread(machine.wait, 30) == 0
            await tab.until("rolled back")
            await tab.picture(tmp_path / "window.png")
            await tab.press("q")
            await tab.until("Leaving closes this screen only")
            await tab.press("\r")
            last = await tab.until("folded", of=tab.text)
            seen = await asyncio.to_thread(terminal.until, "CLOSED", "closed: rolled back")
            terminal.press("q\r")  # one piece: Enter is for the sheet that q opens
            assert await asyncio.to_thread(terminal.ends) == 0

    state = await demo.state()
    assert state.closed is not None
    assert state.closed.outcome == "rolled back"
    entries = [
        entry_from_plain(one["entry"])
        for one in map(json.loads, lines.read_text().splitlines())
        if "entry" in one
    ]
    folded = WindowState()
    for entry in entries:
        folded = folded.apply(entry)
    assert folded == state
    assert told(state) in terminal.raw
    runbook = state.runbook
    assert runbook is not None
    assert [one.title for one in runbook.phases if one.title[:12] not in seen] == []
    assert told(state) in " ".join(last.split())


def test_the_words_for_a_state_are_the_same_in_every_process() -> None:
    program = (
        "from optibid_console.state import Escalation, WindowState\n"
        "from tests.web.folding_child import told\n"
        "ids = frozenset({'errors', 'latency', 'flag', 'login', 'database'})\n"
        "print(told(WindowState(escalation=Escalation(1.0, 'x', triggers=ids))))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(REPOSITORY)},
        ).stdout
        for seed in (1, 2, 3, 4)
    }  # fmt: skip
    assert len(said) == 1
