"""The console and its demo as the benchmarks start them: in a directory of their own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import tomli_w
from measured import LAG_DIR
from terminal import Terminal

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from optibid_console.demo.processes import MARK  # noqa: E402 (the checkout's, from here on)
from optibid_console.demo.stack import Stack, running_stack  # noqa: E402
from optibid_console.engine_record import EngineRecord, find  # noqa: E402

CONSOLE = (sys.executable, "-m", "optibid_console")
START_S = 60.0


@contextmanager
def workplace() -> Iterator[Path]:
    """A directory that is gone afterwards; the console keeps its state in it, too."""
    folder = Path(tempfile.mkdtemp(prefix="optibid-bench-"))
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    try:
        yield folder
    finally:
        if before is None:
            del os.environ["XDG_STATE_HOME"]
        else:
            os.environ["XDG_STATE_HOME"] = before
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def demo_stack(folder: Path, speed: float = 1.0) -> Iterator[Stack]:
    """The demo's stack, without a window on it."""
    with running_stack(folder / "demo", speed, quiet) as stack:
        yield stack


def quiet(line: str) -> None:
    """What a stack says is no figure."""


def environment(lag_dir: Path | None = None, **more: str) -> dict[str, str]:
    """For the console's processes; with `lag_dir` their loops are watched."""
    path = [str(ROOT)]
    watch = {}
    if lag_dir is not None:
        lag_dir.mkdir(exist_ok=True)
        path.insert(0, str(HERE / "lag_watch"))
        watch[LAG_DIR] = str(lag_dir)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), **watch, **more}


def changed_config(stack: Stack, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """The demo's config with a change, beside it."""
    config = tomllib.loads(stack.place.config.read_text())
    change(config)
    path = stack.place.root / f"{name}.toml"
    path.write_text(tomli_w.dumps(config))
    return path


def marked(stack: Stack) -> dict[str, str]:
    """Marks an engine as the demo's: it is ended with it, whatever happens here."""
    return {MARK: str(stack.place.root)}


@contextmanager
def console(
    folder: Path, config: Path, env: dict[str, str], name: str = "window"
) -> Iterator[tuple[Terminal, EngineRecord]]:
    """`run -c CONFIG` on a new journal, once its window is seen; the engine ends with it."""
    journal = folder / f"{name}.journal"
    screen = Terminal([*CONSOLE, "run", "-c", str(config), "--journal", str(journal)], env)
    try:
        screen.wait_for(rb"OptiBid demo.*phase \d", START_S)
        record = find(journal)
        if record is None:
            raise RuntimeError(f"no engine runs {journal}: {screen.text()[-500:]!r}")
        yield screen, record
    finally:
        screen.close()
        end_engine(journal)


def end_engine(journal: Path) -> None:
    """End the engine of a journal, and wait until it is gone."""
    record = find(journal)
    if record is None:
        return
    os.kill(record.pid, signal.SIGTERM)
    until = time.time() + 10
    while find(journal) is not None:
        if time.time() > until:
            os.kill(record.pid, signal.SIGKILL)
            raise RuntimeError(f"the engine {record.pid} didn't end within 10 s of SIGTERM")
        time.sleep(0.02)


@contextmanager
def played_demo(folder: Path, speed: float, env: dict[str, str], serve: str = "") -> Iterator[Path]:
    """The demo's window, played by its own operator; gives the journal once it is there.

    `serve`: shared with observers at this address; the link is then in `folder/link`."""
    root = folder / "demo"
    argv = [*CONSOLE, "demo", "--headless", "--speed", f"{speed:g}", "--dir", str(root)]
    if serve:
        argv += ["--serve", serve]
    player = subprocess.Popen(
        argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert player.stdout is not None
        assert player.stderr is not None
        if not player.stdout.readline():
            raise RuntimeError(f"the demo didn't start: {player.stderr.read()}")
        if serve:
            (folder / "link").write_text(_link(player.stderr))
        drain(player)
        yield root / "window.journal"
    finally:
        player.terminate()
        player.wait(30)


def _link(said: IO[str]) -> str:
    for line in said:
        found = re.search(r"'(optibid://[^']+)'", line)
        if found:
            return found[1]
    raise RuntimeError("the demo gave no link")


def drain(process: subprocess.Popen[str]) -> None:
    """Read what a process prints, so that it never waits."""
    import threading

    for stream in (process.stdout, process.stderr):
        assert stream is not None
        threading.Thread(target=stream.read, daemon=True).start()
