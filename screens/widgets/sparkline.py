"""A history of numbers as one row of text."""

from __future__ import annotations

import math
from collections.abc import Iterable

from screens.glyphs import ascii_only

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-~=+*#"
GAP = " "
"""Where there was no data: never a low bar, which would say zero."""


def sparkline(
    values: Iterable[float | None],
    width: int,
    low: float | None = None,
    high: float | None = None,
) -> str:
    """The newest `width` values as bars, right-aligned, exactly `width` cells.

    `None` and numbers that aren't finite are gaps. A bound that is given is fixed and
    what lies beyond it is clamped; one that isn't is the lowest or highest value shown.
    A flat history is a row of low bars.
    """
    if width <= 0:
        return ""
    newest = list(values)[-width:]
    shown = [one if one is not None and math.isfinite(one) else None for one in newest]
    known = [one for one in shown if one is not None]
    bars = ASCII_BARS if ascii_only() else BARS
    bottom = min(known, default=0.0) if low is None else low
    top = max(known, default=0.0) if high is None else high
    span = top - bottom
    drawn = "".join(GAP if one is None else _bar(one, bottom, span, bars) for one in shown)
    return drawn.rjust(width, GAP)


def _bar(value: float, bottom: float, span: float, bars: str) -> str:
    if span <= 0 or not math.isfinite(span):
        return bars[0]
    share = min(max((value - bottom) / span, 0.0), 1.0)
    return bars[min(int(share * len(bars)), len(bars) - 1)]
