"""The log pane's title: the tails and their states, the rate, and whether it follows."""

from __future__ import annotations

from textual.content import Content

from screens.glyphs import ascii_only, glyph
from screens.widgets.log_tails import LogTails, format_rate
from screens.widgets.log_view import LogView


def log_title(tails: LogTails, view: LogView, lines_per_s: float, width: int) -> Content:
    """`Logs  all·backend·frontend  1.2k/s ▶` in a pane that is `width` cells wide."""
    pace = format_rate(lines_per_s)
    if view.paused:
        sign = glyph("held").drawn
    elif view.follow:
        sign = ">" if ascii_only() else "▶"
    else:
        sign = "-" if ascii_only() else "■"
    room = width - len(pace) - 12
    return Content.assemble("Logs  ", tails.title(room), f"  {pace} {sign}")
