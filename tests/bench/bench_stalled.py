"""A screen that is suspended, and one whose terminal nobody reads: what the engine notices."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from consoles import CONSOLE, START_S, console, demo_stack, environment, marked, workplace
from figures import Figures
from terminal import Terminal
from watcher import Watcher

from optibid_console import commands as c

STALL_S = 60.0
BACK_S = 1.0
PROBE = "backend-health"
"""Read every 2 s in the demo."""


def stalled(
    figures: Figures,
    how: str,
    screen: Terminal,
    driver: Watcher,
    seconds: float,
    stop: Callable[[], object],
    go_on: Callable[[], object],
) -> None:
    """Stall the screen, change the window meanwhile, let it go on: what was late?"""
    usual = driver.readings_over(seconds)
    stop()
    half = driver.readings_over(seconds / 2)
    driver.send(c.Hold(f"held while {how}"))
    during = half + driver.readings_over(seconds / 2)
    mark = screen.mark()
    go_on()
    began = time.time()
    try:
        seen_s = screen.wait_for(rb"HOLD", 10 * BACK_S, since=mark) - began
        seen_s = max(seen_s, screen.wait_for(clock_at(began), 10 * BACK_S, since=mark) - began)
    except TimeoutError:
        seen_s = 10 * BACK_S
    driver.send(c.Resume())
    figures.at_most(
        f"readings while {how} against before", abs(during.total() - usual.total()),
        max(2.0, 0.03 * usual.total()), "readings", before=usual.total(), during=during.total(),
        of_one_probe=f"{PROBE}: {usual[PROBE]} before, {during[PROBE]} during", over_s=seconds,
    )  # fmt: skip
    figures.at_most(f"the present is on screen after being {how}", seen_s, BACK_S, "s")


def clock_at(now: float) -> bytes:
    """What the header's clock may say within a second of `now`: nothing that is older."""
    times = (time.strftime("%H:%M:%SZ", time.gmtime(now + one)) for one in range(3))
    return "|".join(times).encode()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=STALL_S)
    given = parser.parse_args()
    figures = Figures()
    with workplace() as folder, demo_stack(folder) as stack:
        env = environment(**marked(stack))
        with console(folder, stack.place.config, env) as (first, record):
            first.close()  # leaves the window running: the counter drives it now
            driver = Watcher(Path(record.socket), "counter", "drive")
            attach = [*CONSOLE, "attach", "--watch", record.journal]
            screen = Terminal(attach, env)
            try:
                screen.wait_for(rb"OptiBid demo.*phase \d", START_S)
                stalled(
                    figures, "suspended", screen, driver, given.seconds,
                    lambda: os.kill(screen.pid, signal.SIGSTOP),
                    lambda: os.kill(screen.pid, signal.SIGCONT),
                )  # fmt: skip
                stalled(
                    figures, "unread", screen, driver, given.seconds,
                    screen.stop_reading, screen.read_again,
                )  # fmt: skip
            finally:
                driver.close()
                screen.close()
    return figures.status


if __name__ == "__main__":
    raise SystemExit(main())
