"""Observers: how far behind they are, what they cost, and how soon one has joined."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench_journal import _write as write_journal
from consoles import CONSOLE, HERE, START_S, environment, find, played_demo, workplace
from figures import Figures, percentile
from keys import key_delays_ms
from measured import lags
from terminal import Terminal
from websockets.asyncio.client import connect

from optibid_console.entries import Entry
from optibid_console.feed.certificate import client_context
from optibid_console.feed.client import FeedSource
from optibid_console.feed.link import parse_link
from optibid_console.feed.messages import SUBPROTOCOL, Hello
from optibid_console.feed.observer import ObserverSource
from optibid_console.feed.wire import encode_hello
from optibid_console.source import CaughtUp

OBSERVERS = 200
PROCESSES = 4
NICE = 10
"""Observers run elsewhere: here their load must not stand in the operator's way."""
SPEED = 60.0
WATCH_S = 30.0
BEHIND_MS = 250.0
LAG_MS = 50.0
KEY_MS = 60.0
KEYS = 150
TIMES = 1.5
ENTRIES = 100_000
BULK_BYTES = 64 * 1024
GBIT_S = 1e9
STOPPED = 8
STOPPED_MB = 4.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=("demo", "cpu", "memory", "join"))
    only = parser.parse_args().only
    figures = Figures()
    with workplace() as folder:
        if only in (None, "demo"):
            _in_the_demo(folder, figures)
        for name, entries, bench in (
            ("cpu", 100, _fan_out), ("memory", 100, _stopped), ("join", ENTRIES, _joining),
        ):  # fmt: skip
            if only in (None, name):
                journal = folder / f"{name}.journal"
                write_journal(journal, entries)
                with _server(journal) as server:
                    bench(server, figures)
    return figures.status


def _in_the_demo(folder: Path, figures: Figures) -> None:
    env = environment(folder / "lag")
    idle = subprocess.Popen([sys.executable, str(HERE / "idle_loop.py")], env=env)
    with _ended(idle), played_demo(folder, SPEED, env, "127.0.0.1:0") as journal:
        told = {**env, "OPTIBID_LINK": (folder / "link").read_text()}
        argv = ["nice", "-n", str(NICE), sys.executable, str(HERE / "watchers.py"),
                str(OBSERVERS // PROCESSES)]  # fmt: skip
        plain = {**told, "PYTHONPATH": str(HERE.parents[1])}
        watchers = [_child([*argv, f"w{i}-"], plain) for i in range(PROCESSES)]
        screen = Terminal([*CONSOLE, "attach", "--watch", str(journal)], env)
        try:
            for one in watchers:
                assert one.stdout is not None
                if one.stdout.readline() != "ready\n":
                    raise RuntimeError("observers could not join")
            screen.wait_for(rb"OptiBid demo.*phase \d", START_S)
            record = find(journal)
            assert record is not None
            began = time.time()
            own = _Times(Path(record.socket))
            own_times = own.start()
            delays = key_delays_ms(screen, KEYS)
            time.sleep(max(WATCH_S - (time.time() - began), 0))
            ended = time.time()
            own.stop()
            time.sleep(1.0)
        finally:
            screen.close()
            arrivals = [_arrivals(one) for one in watchers]
    late = lags(folder / "lag", "engine", began, ended)
    idle_late = lags(folder / "lag", "idle", began, ended)
    wanted = {seq for seq, at in own_times.items() if began + 1 < at < ended}
    lists = [one for some in arrivals for one in some]
    missing = sum(seq not in one for one in lists for seq in wanted)
    behind = [(one[seq] - own_times[seq]) * 1000 for one in lists for seq in wanted if seq in one]
    figures.exactly(
        "entries that an observer lacks", missing, 0, "entries", observers=len(lists),
        entries=len(wanted),
    )  # fmt: skip
    figures.at_most(
        f"{len(lists)} observers behind the operator's screen, p95", percentile(behind, 95),
        BEHIND_MS, "ms", p50=round(percentile(behind, 50), 1), worst=round(max(behind), 1),
    )  # fmt: skip
    figures.at_most(
        f"event loop lag of the engine with {len(lists)} observers, p99", percentile(late, 99),
        LAG_MS, "ms", worst=max(late), peer=round(percentile(idle_late, 99), 1),
        peer_is="a loop with nothing to do, at the same time",
    )  # fmt: skip
    figures.at_most(
        f"key to changed screen with {len(lists)} observers, p99", percentile(delays, 99), KEY_MS,
        "ms", p50=round(percentile(delays, 50), 1), worst=round(max(delays), 1),
    )  # fmt: skip


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()


class _Times:
    """When each entry came over the engine's own socket, as to the operator's screen."""

    def __init__(self, socket: Path) -> None:
        import threading

        self._loop = asyncio.new_event_loop()
        self._source = FeedSource(socket, "bench", "watch")
        self._times: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> dict[int, float]:
        self._thread.start()
        return self._times

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._source.close(), self._loop).result(10)
        self._thread.join(10)

    def _run(self) -> None:
        async def note() -> None:
            async for event in self._source.events():
                if isinstance(event, Entry):
                    self._times[event.seq] = time.time()

        self._loop.run_until_complete(note())


def _arrivals(watcher: subprocess.Popen[str]) -> list[dict[int, float]]:
    out, said = watcher.communicate("")
    if watcher.returncode != 0:
        raise RuntimeError(f"observers ended early: {said}")
    return [{int(seq): at for seq, at in json.loads(line).items()} for line in out.splitlines()]


def _fan_out(server: _Server, figures: Figures) -> None:
    """In turns, each with its own connections alone."""
    ratios, ours, theirs = [], [], []
    count = 400
    for _ in range(3):
        with server.sinks("observers", 50, "read"):
            ours.append(server.ask(do="fan-out", count=count)["cpu_s"])
        with server.sinks("bare", 50, "read"):
            theirs.append(server.ask(do="broadcast", count=count)["cpu_s"])
        ratios.append(ours[-1] / theirs[-1])
    figures.at_most(
        "CPU of the fan-out to 50 observers, of a bare websockets broadcast",
        statistics.median(ratios), TIMES, "times", ours_s=round(statistics.median(ours), 3),
        broadcast_s=round(statistics.median(theirs), 3), frames=count,
    )  # fmt: skip


def _stopped(server: _Server, figures: Figures) -> None:
    """The difference that observers make who read nothing, while 60 MB of signals come."""
    with server.sinks("observers", 1, "read"):
        server.ask(do="flood", megabytes=60)
        before = server.ask(do="flood", megabytes=60)["resident_mb"]
        with server.sinks("observers", STOPPED, "stop"):
            after = server.ask(do="flood", megabytes=60)["resident_mb"]
            there = server.ask(do="counts")["observers"]
    if there != STOPPED + 1:
        raise RuntimeError(f"{there} observers, not {STOPPED + 1}: nothing was measured")
    figures.at_most(
        "memory of an observer that stopped reading", (after - before) / STOPPED, STOPPED_MB, "MB",
        observers=STOPPED,
    )  # fmt: skip


def _joining(server: _Server, figures: Figures) -> None:
    async def measure(snapshot: bool, rounds: int) -> tuple[float, float, int]:
        sizes = await _sizes(server.link, snapshot)
        pairs = []
        for _ in range(rounds):
            began = time.perf_counter()
            source = ObserverSource(parse_link(server.link), "bench", snapshot=snapshot)
            async for event in source.events():
                if isinstance(event, CaughtUp):
                    break
            took_s = time.perf_counter() - began
            await source.close()
            began = time.perf_counter()
            await _fetch(server.bare, sizes)
            pairs.append((took_s, time.perf_counter() - began))
        ratio = statistics.median(ours / bare for ours, bare in pairs)
        return ratio, statistics.median(ours for ours, _ in pairs), sum(sizes)

    async def bulk(size: int) -> float:
        began = time.perf_counter()
        await _fetch(server.bare, [BULK_BYTES] * (size // BULK_BYTES))
        return time.perf_counter() - began

    one_by_one, all_s, all_bytes = asyncio.run(measure(False, 3))
    own, took_s, size = asyncio.run(measure(True, 9))
    bulk_s = statistics.median(asyncio.run(bulk(all_bytes)) for _ in range(5))
    frames_s = all_s / one_by_one
    figures.at_most(
        f"joining a window of {ENTRIES:,} entries, of fetching them as frames from a bare server",
        took_s / frames_s, TIMES, "times", ms=round(took_s * 1000, 1),
        fetching_ms=round(frames_s * 1000), megabytes=round(all_bytes / 1e6, 1),
    )  # fmt: skip
    figures.told(
        "… of fetching their bytes in pieces of 64 KiB", took_s / bulk_s, "times",
        fetching_ms=round(bulk_s * 1000, 1),
    )  # fmt: skip
    figures.told(
        "… of what their bytes take on a link of 1 Gbit/s", took_s / (all_bytes * 8 / GBIT_S),
        "times", fetching_ms=round(all_bytes * 8 / GBIT_S * 1000),
    )  # fmt: skip
    figures.told(
        "… of fetching the bytes of the snapshot alone", own, "times",
        kilobytes=round(size / 1000),
    )  # fmt: skip
    figures.told(
        f"all {ENTRIES:,} entries one by one (watch --json), of fetching the same frames",
        one_by_one, "times", s=round(all_s, 2),
    )  # fmt: skip


async def _sizes(link_text: str, snapshot: bool) -> list[int]:
    """Of each frame with which an observer joins."""
    link = parse_link(link_text)
    sizes = []
    async with connect(
        f"wss://{link.address}/", ssl=client_context(), subprotocols=[SUBPROTOCOL],
        compression=None, max_size=None, proxy=None,
    ) as ws:  # fmt: skip
        hello = Hello("sizes", "watch", token=link.token, snapshot=snapshot)
        await ws.send(encode_hello(hello), text=True)
        while True:
            frame = await ws.recv(decode=False)
            sizes.append(len(frame))
            if frame.startswith(b'{"caught_up"'):
                return sizes


async def _fetch(port: int, sizes: list[int]) -> None:
    async with asyncio.timeout(60):
        ws = await connect(
            f"wss://127.0.0.1:{port}/", ssl=client_context(), compression=None, max_size=None,
            proxy=None,
        )  # fmt: skip
        await ws.send(json.dumps(sizes))
        while await ws.recv() != "all":
            pass
    ws.transport.abort()


class _Server:
    """`feed_server.py` and what it is asked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        said = self._read()
        self.link: str = said["link"]
        self.bare: int = said["bare"]

    def ask(self, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._read()

    @contextmanager
    def sinks(self, kind: str, count: int, how: str) -> Iterator[None]:
        env = {**environment(), "OPTIBID_LINK": self.link, "BARE_PORT": str(self.bare)}
        child = _child([sys.executable, str(HERE / "sinks.py"), kind, str(count), how], env)
        assert child.stdout is not None
        if child.stdout.readline() != "ready\n":
            raise RuntimeError("the sinks could not connect")
        before = self.ask(do="counts")[kind]
        yield
        if self.ask(do="counts")[kind] != before:
            raise RuntimeError(f"{kind} left while they were measured")
        child.communicate("")
        until = time.monotonic() + 20
        while self.ask(do="counts")[kind] > before - count:
            if time.monotonic() > until:
                raise RuntimeError(f"{kind} didn't leave")
            time.sleep(0.05)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server ended")
        said: dict[str, Any] = json.loads(line)
        return said


@contextmanager
def _server(journal: Path) -> Iterator[_Server]:
    child = _child([sys.executable, str(HERE / "feed_server.py"), str(journal)], environment())
    try:
        yield _Server(child)
    finally:
        child.kill()
        child.wait()


def _child(argv: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=None if "sinks.py" in argv[1] or "feed_server" in argv[1] else subprocess.PIPE,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
