"""The demo's processes: each carries a mark, so that exactly they are found and ended.

The mark is an environment variable with the demo's directory. Whatever is started on the
demo's host inherits it, detached runs too, and no process of anybody else has it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

MARK = "OPTIBID_DEMO_DIR"
POLL_S = 0.02


class DemoError(Exception):
    """The demo can't go on; the message says what, where and what next."""


def marked_environment(root: Path) -> dict[str, str]:
    """The environment of the demo's own processes: little, and with the mark."""
    return {
        MARK: str(root),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONUNBUFFERED": "1",
    }


def spawn_module(
    module: str,
    *arguments: str,
    root: Path,
    log: Path,
    stdout: int | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `python -m optibid_console.demo.MODULE` with the mark, in its own session."""
    with log.open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", f"optibid_console.demo.{module}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=errors if stdout is None else stdout,
            stderr=errors,
            env={**marked_environment(root), **(env or {})},
            start_new_session=True,
        )


def marked(root: Path) -> list[int]:
    """The pids of all living processes with this demo's mark (proc(5))."""
    wanted = f"{MARK}={root}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:  # it has ended, or belongs to somebody else
            continue
        if wanted in environment.split(b"\0") and alive(int(entry.name)):
            found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and wasn't waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def end(find: Callable[[], Iterable[int]], grace_s: float = 2.0) -> None:
    """End what `find` finds: TERM, then KILL after `grace_s`, until nothing is found."""
    kill_at = time.monotonic() + grace_s
    asked: set[int] = set()
    while pids := set(find()):
        impatient = time.monotonic() > kill_at
        for pid in pids if impatient else pids - asked:
            try:
                os.kill(pid, signal.SIGKILL if impatient else signal.SIGTERM)
            except ProcessLookupError:  # it has ended by itself meanwhile
                continue
        asked |= pids
        time.sleep(POLL_S)  # they are not our children: there is no event to wait for


def wait_until(true: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Return when `true()` is; raises `DemoError` naming `what` after `timeout_s`."""
    give_up_at = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > give_up_at:
            raise DemoError(f"{what} within {timeout_s:g} s")
        time.sleep(POLL_S)  # another process's port: there is no event to wait for
