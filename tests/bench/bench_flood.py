"""50,000 lines a second into one tail over SSH: are they shown, are all there, who waits."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from consoles import HERE, changed_config, console, demo_stack, environment, marked, workplace
from figures import Figures, percentile
from keys import key_delays_ms
from measured import lags, resident_mb
from terminal import Piece, Terminal, plain

RATE = 50_000
SECONDS = 40.0
FULL_S = 12.0
"""After so long everything that is bounded is full: the ring holds 200,000 lines."""
SHOWN_MS, KEY_MS, LAG_MS, GROWTH_PERCENT = 250.0, 80.0, 50.0, 5.0
_STAMP = re.compile(rb"n(\d{9}) t(\d+\.\d{3})")
_OLDER = re.compile(rb"([\d,]+) older lines are gone")
_OF_ALL = re.compile(rb"of ([\d,]+) lines")


def one_tail(config: dict[str, Any]) -> None:
    """The flood's log is the only one, so that the lines of the pane can be counted."""
    config["tails"] = {"flood": {"on": "app-1", "path": "logs/flood.log"}}


def shown_ms(pieces: list[Piece], until: float) -> list[float]:
    """For each 10 ms of the flood: until when its lines, or newer ones, were on screen.

    At this rate a frame shows the last few of thousands of lines; a line that was never
    drawn counts from the first frame with a newer one, for then the screen was past it.
    """
    frames: list[tuple[float, float]] = []
    rest = b""
    for piece in pieces:
        rest += piece.data
        found = _STAMP.findall(plain(rest))
        if found:
            newest = max(float(stamp) for _, stamp in found)
            if not frames or newest > frames[-1][1]:
                frames.append((piece.at, newest))
            rest = rest[-200:]
    stamps = [stamp for _, stamp in frames]
    first = stamps[0]
    delays = []
    for step in range(int((until - first) * 100)):
        at = first + step / 100
        index = bisect_left(stamps, at)
        seen_at = frames[index][0] if index < len(frames) else float("inf")
        delays.append((seen_at - at) * 1000)
    return delays


class Memory:
    """Resident memory of some processes, in MB, once a second."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._stop = threading.Event()
        self.taken: dict[str, list[float]] = {name: [] for name in pids}

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            for name, pid in self._pids.items():
                self.taken[name].append(resident_mb(pid))


def count_at_screen(screen: Terminal, first_kept: bytes) -> int:
    """How many lines the log pane says there ever were: those gone, and those that it has."""
    older = _OLDER.search(first_kept)
    gone = int(older[1].replace(b",", b"")) if older else 0
    mark = screen.mark()
    for key in (b"/", b"n", b"0", b"\r"):
        screen.press(key)
        time.sleep(0.3)
    screen.wait_for(_OF_ALL.pattern + rb"(?!.{0,5}\d+%)", 20, since=mark)
    (kept,) = {int(one.replace(b",", b"")) for one in _OF_ALL.findall(screen.text(mark))[-1:]}
    return gone + kept


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rate", type=int, default=RATE)
    given = parser.parse_args()
    with workplace() as folder, demo_stack(folder) as stack:
        config = changed_config(stack, "flood", one_tail)
        log = stack.place.logs / "flood.log"
        log.touch()
        env = environment(folder / "lag", **marked(stack))
        idle = subprocess.Popen([sys.executable, str(HERE / "idle_loop.py")], env=env)
        try:
            with console(folder, config, env) as (screen, record):
                pids = {"screen": screen.pid, "engine": record.pid}
                return measure(given, screen, pids, log, folder / "lag")
        finally:
            idle.kill()
            idle.wait()


def measure(
    given: argparse.Namespace, screen: Terminal, pids: dict[str, int], log: Path, lag_dir: Path
) -> int:
    screen.wait_for(rb"connected", 20)
    time.sleep(2.0)
    mark, began = screen.mark(), time.time()
    memory = Memory(pids)
    argv = [sys.executable, str(HERE / "flood_writer.py"), str(log)]
    with memory.watched():
        writer = subprocess.Popen(
            [*argv, str(given.rate), str(given.seconds)], stdout=subprocess.PIPE, text=True
        )
        time.sleep(1.0)
        delays = key_delays_ms(screen, int((given.seconds - 3.0) * 7))
        said = json.loads(writer.communicate()[0])
        ended = began + given.seconds
        last = said["lines"] - 1
        screen.wait_for(rb"n%09d" % last, 30, since=mark)
    figures = Figures()
    late = shown_ms(screen.pieces[mark:], ended)
    figures.at_most(
        "50,000 lines/s over SSH: written to shown, p95", percentile(late, 95), SHOWN_MS, "ms",
        p50=round(percentile(late, 50)), worst=round(max(late)),
        lines_s=round(said["lines"] / said["took_s"]), writer_late_ms=round(said["late_ms"], 1),
    )  # fmt: skip
    figures.at_most(
        "50,000 lines/s over SSH: key to changed screen, p99", percentile(delays, 99), KEY_MS,
        "ms", p50=round(percentile(delays, 50), 1), worst=round(max(delays), 1), keys=len(delays),
    )  # fmt: skip
    tell_lags(figures, lag_dir, began, ended)
    tell_count(figures, screen, mark, said["lines"])
    for name, taken in memory.taken.items():
        full = taken[int(FULL_S) :] if len(taken) > FULL_S + 4 else taken[len(taken) // 2 :]
        first, final = max(full[:3]), max(full[-3:])
        figures.at_most(
            f"50,000 lines/s over SSH: growth of the {name} once the ring is full",
            100 * (final - first) / first, GROWTH_PERCENT, "%",
            from_mb=round(first, 1), to_mb=round(final, 1), over_s=len(full),
        )  # fmt: skip
    return figures.status


def tell_lags(figures: Figures, lag_dir: Path, began: float, ended: float) -> None:
    late = {role: lags(lag_dir, role, began, ended) for role in ("engine", "screen", "idle")}
    peer_ms = round(percentile(late["idle"], 99), 2)
    for role in ("engine", "screen"):
        figures.at_most(
            f"50,000 lines/s over SSH: event loop lag of the {role}, p99",
            percentile(late[role], 99), LAG_MS, "ms",
            worst=max(late[role]), samples=len(late[role]), peer=peer_ms,
        )  # fmt: skip


def tell_count(figures: Figures, screen: Terminal, mark: int, written: int) -> None:
    """Count at the screen: the ring's own numbers, less the pane's notices."""
    flood = screen.text(mark)
    gaps = len(re.findall(rb"(?:dropped here|are missing here|signals missed|was cut)", flood))
    screen.press(b"3")
    time.sleep(0.5)
    home = screen.mark()
    screen.press(b"\x1b[H")
    time.sleep(1.0)
    top = screen.text(home)
    count = count_at_screen(screen, top)
    notices = 1  # `flood: connected`
    figures.exactly(
        "50,000 lines/s over SSH: lines at the screen of those written", count - notices, written,
        "lines", notices_of_loss=gaps,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
