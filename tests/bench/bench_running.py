"""The demo played at full speed, with a screen on it: how late its loops are, how soon keys act."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from consoles import CONSOLE, HERE, START_S, environment, played_demo, workplace
from figures import Figures, percentile
from keys import key_delays_ms
from measured import lags
from terminal import Terminal

SPEED = 120.0
KEYS = 300
LAG_MS = 50.0
KEY_MS = 60.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=KEYS)
    given = parser.parse_args()
    figures = Figures()
    with workplace() as folder:
        env = environment(folder / "lag")
        idle = subprocess.Popen([sys.executable, str(HERE / "idle_loop.py")], env=env)
        try:
            with played_demo(folder, SPEED, env) as journal:
                screen = Terminal([*CONSOLE, "attach", "--watch", str(journal)], env)
                try:
                    screen.wait_for(rb"OptiBid demo.*phase \d", START_S)
                    began = time.time()
                    delays = key_delays_ms(screen, given.keys)
                    ended = time.time()
                finally:
                    screen.close()
        finally:
            idle.kill()
            idle.wait()
        late = {
            role: lags(folder / "lag", role, began, ended) for role in ("engine", "screen", "idle")
        }
    peer_ms = round(percentile(late["idle"], 99), 2)
    for role in ("engine", "screen"):
        figures.at_most(
            f"event loop lag of the {role}, p99", percentile(late[role], 99), LAG_MS, "ms",
            worst=max(late[role]), samples=len(late[role]), peer=peer_ms,
            peer_is="a loop with nothing to do, at the same time",
        )  # fmt: skip
    figures.at_most(
        "key to changed screen, p99", percentile(delays, 99), KEY_MS, "ms",
        p50=round(percentile(delays, 50), 1), worst=round(max(delays), 1), keys=len(delays),
    )  # fmt: skip
    return figures.status


if __name__ == "__main__":
    raise SystemExit(main())
