"""Draws rows of the log pane: decodes, cleans and colours a line only when it is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from probes.text import counted
from screens.glyphs import ascii_only
from screens.sanitise import clean
from screens.themes import selected_style, state_style
from screens.widgets.log_line import Level, parse
from screens.widgets.log_view import FORGOTTEN, Row
from screens.widgets.ring import MAX_TAILS, Ring

PANE = MAX_TAILS - 1
"""The tail index of notices that belong to no tail."""
MAX_WRAPPED_ROWS = 60
"""A longer line ends with a sign of how much more there is."""
MAX_OFFSET = 100_000
"""How far a line can be scrolled sideways, in cells."""

_TIME_CELLS = 8
_LABEL_CELLS = 5
_CACHED = 2048
_LEVEL_STYLE: Mapping[Level, str] = {
    Level.NONE: "text",
    Level.DEBUG: "muted",
    Level.INFO: "ok",
    Level.WARN: "warn",
    Level.ERROR: "failing",
}


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A line ready to be drawn."""

    prefix: tuple[Segment, ...]
    parts: tuple[str, ...]
    style: Style


class RowPainter:
    """Turns rows into strips. What it drew it keeps until the look changes."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.width = 80
        self.wrap = False
        self.offset = 0
        """Cells scrolled to the right, when not wrapping."""
        self._tails: Sequence[str] = ()
        self._tail_cells = 0
        self._styles: dict[str, Style] = {}
        self._selected = Style()
        self._drawn: dict[int, _Drawn] = {}

    def look(
        self,
        *,
        width: int,
        wrap: bool,
        offset: int,
        tails: Sequence[str],
        variables: Mapping[str, str],
    ) -> None:
        """How to draw from now on. `tails`: names for a tail column, or none."""
        self.width, self.wrap, self.offset = max(width, 1), wrap, offset
        self._tails = tails
        widest = max(map(cell_len, tails), default=0)
        self._tail_cells = min(widest, 12 if width >= 100 else 8)
        names = {*_LEVEL_STYLE.values(), "muted", "accent", "stale"}
        self._styles = {name: state_style(variables, name) for name in names}
        self._selected = selected_style(variables)
        self._drawn.clear()

    def rows_of(self, number: int) -> int:
        """How many rows a line takes."""
        return len(self._line(number).parts) if self.wrap else 1

    def strip(self, row: Row, *, marked: bool = False) -> Strip:
        """One row, exactly as wide as the pane; `marked`: as the line that was looked for."""
        if row.number == FORGOTTEN:
            return self._forgotten()
        drawn = self._line(row.number)
        part = drawn.parts[min(row.part, len(drawn.parts) - 1)]
        lead = sum(segment.cell_length for segment in drawn.prefix)
        room = max(self.width - lead, 1)
        if row.part:
            prefix: tuple[Segment, ...] = (Segment(" " * lead, self._styles["muted"]),)
        else:
            prefix = drawn.prefix
        body = Strip([Segment(part, drawn.style)])
        if not self.wrap:
            body = self._window(body, room)
        strip = Strip([*prefix, *body]).adjust_cell_length(self.width)
        return strip.apply_style(self._selected) if marked else strip

    def _window(self, body: Strip, room: int) -> Strip:
        """The part of a line that isn't scrolled away, with signs where there is more."""
        length, start = body.cell_length, self.offset
        left, right = ("<", ">") if ascii_only() else ("‹", "›")
        shown = body.crop(start, start + room)
        sign = self._styles["accent"]
        if start and length:
            shown = Strip([Segment(left, sign), *shown.crop(1, room)])
        if length > start + room:
            shown = Strip([*shown.crop(0, room - 1), Segment(right, sign)])
        return shown

    def _line(self, number: int) -> _Drawn:
        drawn = self._drawn.get(number)
        if drawn is None:
            if len(self._drawn) >= _CACHED:
                self._drawn.clear()
            drawn = self._drawn[number] = self._draw(number)
        return drawn

    def _draw(self, number: int) -> _Drawn:
        if number < self.ring.first:
            return _Drawn((), ("",), self._styles["muted"])
        line = self.ring.line(number)
        if line.notice:
            rule = "--" if ascii_only() else "──"
            text = f"{rule} {clean(line.raw, 500)} {rule}"
            return _Drawn((), self._parts(text, self.width, 0), self._styles["stale"])
        seen = self.width * MAX_WRAPPED_ROWS if self.wrap else self.offset + self.width + 1
        parsed = parse(line.raw, seen)
        level = self._styles[_LEVEL_STYLE[parsed.level]]
        prefix = [self._time(parsed.time, line.at)]
        if self._tail_cells:
            name = self._tails[line.tail] if line.tail < len(self._tails) else ""
            prefix.append(Segment(self._name(name), self._styles["accent"]))
        if parsed.label:
            label = parsed.label.replace("WARNING", "WARN").replace("CRITICAL", "CRIT")
            prefix.append(Segment(label.ljust(_LABEL_CELLS)[:9] + " ", level))
        lead = sum(segment.cell_length for segment in prefix)
        if lead > self.width // 2:
            prefix, lead = [], 0
        left_out = len(line.raw) - len(parsed.text.encode())
        parts = self._parts(parsed.text, self.width - lead, left_out)
        unlabelled_error = parsed.level is Level.ERROR and not parsed.label
        style = self._styles["failing" if unlabelled_error else "text"]
        return _Drawn(tuple(prefix), parts, style + Style(bold=False))

    def _time(self, said: str, came_at: float) -> Segment:
        """The line's own time, or dimmer when it came (UTC)."""
        if said or not came_at:
            return Segment(said.ljust(_TIME_CELLS + 1), self._styles["muted"])
        came = datetime.fromtimestamp(came_at, UTC).strftime("%H:%M:%S ")
        return Segment(came, self._styles["muted"] + Style(dim=True))

    def _parts(self, text: str, room: int, left_out: int) -> tuple[str, ...]:
        """The rows of a line's text; `left_out` bytes of it weren't decoded."""
        room = max(room, 1)
        if not self.wrap or not text:
            return (text,)
        if text.isascii():
            parts = [text[at : at + room] for at in range(0, len(text), room)]
        else:
            parts = chop_cells(text, room)
        if len(parts) < MAX_WRAPPED_ROWS:
            return tuple(parts)
        mark = "..." if ascii_only() else "…"
        more = f"{mark} {format_size(left_out)} more: y saves it"
        return (*parts[: MAX_WRAPPED_ROWS - 1], more)

    def _name(self, name: str) -> str:
        cut = cell_len(name) > self._tail_cells
        mark = "~" if ascii_only() else "…"
        text = set_cell_size(name, self._tail_cells - 1) + mark if cut else name
        return set_cell_size(text, self._tail_cells) + " "

    def _forgotten(self) -> Strip:
        rule = "--" if ascii_only() else "──"
        ring = self.ring
        older = counted(ring.first, "older line is", "older lines are")
        text = (
            f"{rule} {older} gone: this screen keeps "
            f"{ring.max_lines:,} lines, {format_size(ring.max_bytes)} {rule}"
        )
        return Strip([Segment(text, self._styles["stale"])]).adjust_cell_length(self.width)


def format_size(size_bytes: float) -> str:
    """`812 B`, `4.1 kB`, `49.9 MB` (powers of 1,000)."""
    if size_bytes < 1000:
        return f"{size_bytes:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size_bytes /= 1000
        if size_bytes < 999.95 or unit == "GB":
            break
    return f"{size_bytes:.1f} {unit}"
