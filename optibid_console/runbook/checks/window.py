"""What must hold in `[window]`."""

from __future__ import annotations

import re
from datetime import datetime

from optibid_console.runbook.checks.checker import Checker


def check_window(look: Checker) -> None:
    """Note what is wrong with T-0, the speed and the baseline."""
    window = look.book.window
    if window.t0 and not _is_moment(window.t0):
        message = "expected HH:MM (UTC) or a moment such as 2026-11-24T21:00:00Z"
        look.problems.add(("window", "t0"), message, window.t0)
    if window.speed <= 0:
        look.problems.add(("window", "speed"), "must be more than 0", window.speed)
    look.name(("window", "baseline_until"), "phase", window.baseline_until, look.phase_ids)


def _is_moment(text: str) -> bool:
    if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        return True
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
