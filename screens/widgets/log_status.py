"""The row at the bottom of the log pane: what stands between a person and the newest line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from probes.text import counted
from screens.glyphs import ascii_only, glyph
from screens.sanitise import clean_text
from screens.themes import state_style
from screens.widgets.log_search import LogSearch
from screens.widgets.log_view import LogView

FLASH_S = 3.0


class StatusRow:
    """False while there is nothing to say."""

    def __init__(self) -> None:
        self._flash = ""
        self._flash_until = 0.0
        self._parts: list[tuple[str, str]] = []

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def flashing(self) -> bool:
        return bool(self._flash)

    def flash(self, text: str, now: float) -> None:
        """Say something for `FLASH_S`."""
        self._flash, self._flash_until = text, now + FLASH_S

    def due(self, now: float) -> bool:
        """Whether a flash is over and has to be taken away."""
        return bool(self._flash) and now >= self._flash_until

    def compose(self, view: LogView, search: LogSearch, now: float) -> None:
        """Put together what there is to say, the most important first."""
        if self.due(now):
            self._flash = ""
        parts: list[tuple[str, str]] = []
        if search.problem:
            parts.append((f"{glyph('failing').drawn} {clean_text(search.problem)}", "failing"))
        if self._flash:
            parts.append((self._flash, "warn"))
        if search.looking:
            parts.append((f"{glyph('running').drawn} looking for an error", "running"))
        new = view.new_below
        if view.paused or new:
            newer = counted(new, "newer line")
            parts.append((f"{glyph('held').drawn} paused, {newer}, f follows", "warn"))
        if view.index is not None:
            parts.append((_filtered(view, search.filter_text), "accent"))
        self._parts = parts

    def strip(self, width: int, variables: Mapping[str, str]) -> Strip:
        gap = " | " if ascii_only() else " · "
        segments: list[Segment] = []
        left = width
        for number, (text, style) in enumerate(self._parts):
            text = fit((gap if number else "") + text, left)
            left -= cell_len(text)
            segments.append(Segment(text, state_style(variables, style)))
        return Strip(segments).adjust_cell_length(width)

    @staticmethod
    def nothing(
        filter_text: str,
        tails: Sequence[str],
        width: int,
        variables: Mapping[str, str],
        absent: str = "",
    ) -> Strip:
        """The row of a pane without lines: why there are none. `absent`: why none can come."""
        if filter_text:
            text = "no line matches the filter: Esc clears it"
        elif absent:
            text = absent
        elif tails:
            text = f"no lines yet from {', '.join(tails)}"
        else:
            text = "no tails: the runbook's [tails] names none"
        muted = state_style(variables, "muted")
        return Strip([Segment(fit(text, width), muted)]).adjust_cell_length(width)


def _filtered(view: LogView, filter_text: str) -> str:
    index = view.index
    if index is None:
        return ""
    total = len(view.ring)
    behind = view.ring.end - index.scanned
    done = f", {100 - 100 * behind // total}% looked at" if total and behind * 20 > total else ""
    name = f"{clean_text(filter_text)}: " if filter_text else ""
    clears = "  Esc clears" if filter_text else "  t next tail"
    return f"{name}{len(index):,} of {total:,} lines{done}{clears}"


def fit(text: str, cells: int) -> str:
    """`text` within so many cells; where it doesn't fit it ends with `…`."""
    if cell_len(text) <= cells:
        return text
    if cells <= 0:
        return ""
    mark = "~" if ascii_only() else "…"
    return set_cell_size(text, cells - 1) + mark
