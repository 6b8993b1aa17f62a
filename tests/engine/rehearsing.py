"""An engine on a rehearsal's journal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from optibid_console.runbook.load import Loaded
from optibid_console.state import WindowState
from optibid_console.targets.target import (
    Target,
)
from tests.engine.bench import Bench, driven


def rehearsing(
    loaded: Loaded, place: Path, targets: Callable[[str], Mapping[str, Target]]
) -> contextlib.AbstractAsyncContextManager[Bench]:
    """An engine on a rehearsal's journal; again, it goes on with the one there."""
    journal = place / "rehearsal.journal"
    return driven(loaded, journal, place, Bench, targets=targets, rehearsal=True)


def idle(state: WindowState) -> bool:
    return state.action() is None and not state.unfinished_runs()
