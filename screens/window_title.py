"""The terminal's title: she may be in another tab."""

from __future__ import annotations

from optibid_console.launch_clock import format_offset, read_clock
from screens.view import View

MAX_CHARS = 80


def terminal_title(view: View, now: float) -> str:
    """`✗ Error rate exceeds 5% · OptiBid production`, else where the window is."""
    state = view.state
    if state.runbook is None:
        return "optibid-console"
    failing = state.failing_criteria()
    if failing:
        spec = state.runbook.criterion(failing[0])
        return f"TRIPPED: {spec.title if spec else failing[0]} - {state.name}"
    clock = read_clock(state, now)
    total = len(state.runbook.phases)
    phase = f"phase {min(clock.phase_index + 1, total)}/{total}"
    return f"{state.name} {format_offset(clock.offset_s)[:-3]} {phase}"


def title_sequence(title: str) -> str:
    """The escape sequence (xterm's OSC 2) that sets it; only plain characters can get in."""
    safe = "".join(char if char.isascii() and char.isprintable() else "?" for char in title)
    return f"\x1b]2;{safe[:MAX_CHARS]}\x07"
