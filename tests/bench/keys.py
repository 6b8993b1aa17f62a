"""From a key to a changed screen, seen from outside."""

from __future__ import annotations

import re
import time

from terminal import Terminal

DOWN, UP = b"\x1b[B", b"\x1b[A"
PACE_S = 0.1
_LOST_S = 2.0
_TIMELINE_ROW = re.compile(rb"\x1b\[\d+;[1-3]H")
"""A row of the left column is drawn: CUP to column 1 to 3 (ECMA-48 8.3.21)."""


def key_delays_ms(screen: Terminal, count: int) -> list[float]:
    """Milliseconds from writing a key to the first bytes of a redrawn timeline row.

    The timeline has the focus; the cursor moves down and up in it, so each key changes two
    of its rows. Frames of the other panes (logs, metrics) are not taken for an answer. A key
    that isn't answered within 2 s counts as 2 s.
    """
    delays = []
    for number in range(count):
        mark = screen.mark()
        pressed_at = screen.press(DOWN if number % 8 < 4 else UP)
        try:
            seen_at = screen.wait_for(_TIMELINE_ROW.pattern, _LOST_S, since=mark, raw=True)
        except TimeoutError:
            seen_at = pressed_at + _LOST_S
        delays.append((seen_at - pressed_at) * 1000)
        # an odd pace, so that keys don't fall into step with the frames
        time.sleep(max(0.0, pressed_at + PACE_S + 0.037 * (number % 3) - time.time()))
    return delays
