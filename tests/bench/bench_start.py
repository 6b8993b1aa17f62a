"""Start to first paint: `run` with and without an engine there, beside a one-label Textual app."""

from __future__ import annotations

import statistics
import sys

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
    label: list[float] = []
    cold: list[list[float]] = []
    warm: list[list[float]] = []
    with workplace() as folder, demo_stack(folder) as stack:
        env = environment(**marked(stack))
        config = stack.place.config
        run = [*CONSOLE, "run", "-c", str(config), "--journal"]
        with console(folder, config, env, "there") as _:
            pass  # everything was read and compiled once
        for round_ in range(ROUNDS):
            label.append(start_s([sys.executable, str(HERE / "one_label.py")], env, b"first paint")[0])
            journal = folder / f"cold-{round_}.journal"
            cold.append(start_s([*run, str(journal)], env, HEADER, WINDOW))
            warm.append(start_s([*run, str(journal)], env, HEADER, WINDOW))
            end_engine(journal)
    tell(figures, "an engine running", label, warm)
    tell(figures, "no engine yet", label, cold)
    return figures.status


def tell(figures: Figures, how: str, label: list[float], runs: list[list[float]]) -> None:
    peer_s = statistics.median(label)
    paint_s = statistics.median(one[0] for one in runs)
    window_s = statistics.median(one[1] for one in runs)
    figures.at_most(
        f"start to first paint, {how}", paint_s / peer_s, ASKED, "times a one-label app",
        paint_ms=round(paint_s * 1000), peer_ms=round(peer_s * 1000), rounds=ROUNDS,
    )  # fmt: skip
    figures.told(f"start to the window, {how}", window_s, "s")


if __name__ == "__main__":
    raise SystemExit(main())
