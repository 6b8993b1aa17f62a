"""Start to first paint: `run` with and without an engine there, beside a one-label Textual app."""

from __future__ import annotations

import statistics
import sys
import time

from consoles import (
    CONSOLE,
    HERE,
    START_S,
    console,
    demo_stack,
    end_engine,
    environment,
    marked,
    workplace,
)
from figures import Figures
from terminal import Terminal

ROUNDS = 9
ASKED = 1.6
SETTLE_S = 3.0
HEADER = rb"OptiBid (demo|console)"
WINDOW = rb"OptiBid demo.*phase \d"


def start_s(argv: list[str], env: dict[str, str], first: bytes, then: bytes = b"") -> list[float]:
    """Seconds from exec to the frame that shows `first`, and to the one that shows `then`."""
    screen = Terminal(argv, env)
    try:
        seen = [screen.wait_for(one, START_S) for one in (first, then) if one]
    finally:
        screen.close()
    return [at - screen.started_at for at in seen]


def main() -> int:
    figures = Figures()
    peer = [sys.executable, str(HERE / "one_label.py")]
    cold, warm = Runs(), Runs()
    with workplace() as folder, demo_stack(folder) as stack:
        env = environment(**marked(stack))
        config = stack.place.config
        run = [*CONSOLE, "run", "-c", str(config), "--journal"]
        with console(folder, config, env, "there") as _:
            pass  # everything was read and compiled once
        for round_ in range(ROUNDS):
            here = [*run, str(folder / f"{round_}.journal")]
            time.sleep(SETTLE_S)
            cold.add(start_s(peer, env, b"first paint"), start_s(here, env, HEADER, WINDOW))
            time.sleep(SETTLE_S)  # an engine is busy at its end and with its first readings
            warm.add(start_s(peer, env, b"first paint"), start_s(here, env, HEADER, WINDOW))
            end_engine(folder / f"{round_}.journal")
    warm.tell(figures, "an engine running")
    cold.tell(figures, "no engine yet")
    return figures.status


class Runs:
    """Starts of the console, each with a start of the peer just before it."""

    def __init__(self) -> None:
        self._peer_s: list[float] = []
        self._paint_s: list[float] = []
        self._window_s: list[float] = []

    def add(self, peer: list[float], seen: list[float]) -> None:
        self._peer_s += peer
        self._paint_s.append(seen[0])
        self._window_s.append(seen[1])

    def tell(self, figures: Figures, how: str) -> None:
        ratios = [mine / peer for mine, peer in zip(self._paint_s, self._peer_s, strict=True)]
        figures.at_most(
            f"start to first paint, {how}", statistics.median(ratios), ASKED,
            "times a one-label app", paint_ms=round(statistics.median(self._paint_s) * 1000),
            peer_ms=round(statistics.median(self._peer_s) * 1000), rounds=len(ratios),
        )  # fmt: skip
        figures.told(f"start to the window, {how}", statistics.median(self._window_s), "s")


if __name__ == "__main__":
    raise SystemExit(main())
