"""What the console costs while nothing much happens: CPU of the screen and the engine together."""

from __future__ import annotations

import argparse
import os
import signal
import time
from pathlib import Path
from typing import Any

from consoles import changed_config, console, demo_stack, environment, marked, workplace
from figures import Figures
from measured import cpu_s
from terminal import Terminal

from optibid_console.demo.processes import marked as processes_of
from optibid_console.engine_record import EngineRecord

QUIET_S, STILL_S = 40.0, 20.0
QUIET_PERCENT, STILL_PERCENT = 6.0, 2.0
SETTLE_S = 8.0


def unobserved(config: dict[str, Any]) -> None:
    """Leave out what observes: nothing moves then but the clock."""
    config["probes"], config["panels"], config["tails"] = {}, {}, {}
    config["criteria"] = []
    config["checklist"] = [
        {**section, "items": [_without_probe(item) for item in section["items"]]}
        for section in config["checklist"]
    ]
    for steps in (config["phases"], config["actions"]):
        for group in steps:
            group.pop("ready_when", None)
            for step in group.get("steps", []):
                step.pop("evidence", None)
                if step.pop("wait_for", None):
                    step["kind"] = "manual"


def _without_probe(item: Any) -> Any:
    if isinstance(item, str):
        return item
    return {key: one for key, one in item.items() if key != "probe"}


def percent(screen: Terminal, record: EngineRecord, over_s: float) -> dict[str, float]:
    """Percent of one core, of the screen and of the engine, after they have settled."""
    time.sleep(SETTLE_S)
    pids = {"screen": screen.pid, "engine": record.pid}
    before, began = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
    mark = screen.mark()
    time.sleep(over_s)
    took_s = time.monotonic() - began
    used = {name: 100 * (cpu_s(pid) - before[name]) / took_s for name, pid in pids.items()}
    written = sum(len(piece.data) for piece in screen.pieces[mark:])
    frames = len(screen.pieces) - mark
    return {**used, "bytes_s": written / took_s, "frames_s": frames / took_s}


def no_users(root: Path) -> None:
    """Stop the demo's users, so that only the console's own probes write log lines."""
    for pid in processes_of(root):
        if b"optibid_console.demo.traffic" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)


def tell(figures: Figures, figure: str, used: dict[str, float], asked: float | None) -> None:
    more = {name: round(value, 2) for name, value in used.items()}
    both = used["screen"] + used["engine"]
    if asked is None:
        figures.told(figure, both, "% of one core", **more)
    else:
        figures.at_most(figure, both, asked, "% of one core", **more)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=QUIET_S)
    given = parser.parse_args()
    figures = Figures()
    with workplace() as folder, demo_stack(folder) as stack:
        env = environment(**marked(stack))
        with console(folder, stack.place.config, env, "demo") as (screen, record):
            used = percent(screen, record, given.seconds / 2)
            tell(figures, "CPU in the demo with its users", used, None)
            no_users(stack.place.root)
            used = percent(screen, record, given.seconds)
            tell(figures, "CPU in the demo with quiet logs", used, QUIET_PERCENT)
        still = changed_config(stack, "still", unobserved)
        with console(folder, still, env, "still") as (screen, record):
            used = percent(screen, record, STILL_S)
            tell(figures, "CPU while only the clock moves, 20 s", used, STILL_PERCENT)
    return figures.status


if __name__ == "__main__":
    raise SystemExit(main())
