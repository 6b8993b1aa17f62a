"""A user's home of its own for a test: its state, its sockets, and the program that is tested."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITHIN_S = 120.0


def live_in(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Let this process, and those that it starts, have that home and the program from here."""
    (path / "run").mkdir(exist_ok=True)
    for name, value in {
        "HOME": path, "XDG_STATE_HOME": path / "state", "XDG_RUNTIME_DIR": path / "run",
        "PYTHONPATH": ROOT,
    }.items():  # fmt: skip
        patch.setenv(name, str(value))


@contextlib.contextmanager
def own_home(patch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new home; it goes when the context is left."""
    # not tmp_path: a socket's path has room for 107 bytes
    with tempfile.TemporaryDirectory(prefix="oc-") as name:
        live_in(Path(name), patch)
        yield Path(name)


def until(holds: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Wait for what another process does."""
    give_up = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)
