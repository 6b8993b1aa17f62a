"""One metric as one row: title, value, history, threshold, baseline and state. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size

from optibid_console.runbook.model import PanelSpec
from optibid_console.units import format_value
from probes.probe import Reading, Status
from screens.glyphs import ascii_only, glyph
from screens.lines import Line, Span, cut
from screens.sanitise import clean_text
from screens.widgets.sparkline import sparkline

HISTORY = 240
"""Samples kept for each panel."""
STALE_PERIODS = 3.0
STALE_AT_LEAST_S = 10.0

_SPARK_CELLS = (3, 48)
_TITLE_CELLS = (4, 16)
_NUMBER_CELLS = 7
_HEADROOM = 1.2
"""Over the highest value of a metric without a threshold: a full bar would look like one."""
_WORD_CELLS = 8
"""What `failing` takes: it is never left out."""


@dataclass(slots=True)
class Metric:
    """A panel and what it said."""

    spec: PanelSpec
    reading: Reading | None = None
    history: deque[float | None] = field(default_factory=lambda: deque(maxlen=HISTORY))
    baseline: float | None = None

    @property
    def title(self) -> str:
        return clean_text(self.spec.title or self.spec.id)

    @property
    def value(self) -> float | None:
        """The number of the last reading; None where there was none that is one."""
        value = self.reading.value if self.reading else None
        return value if value is not None and math.isfinite(value) else None

    def take(self, reading: Reading) -> None:
        """Keep a reading. Periods in which none came are gaps in the history.

        One older than the last is left out: it came late and says nothing about now.
        """
        before = self.reading
        if before is not None:
            if reading.at < before.at:
                return
            missed = round((reading.at - before.at) / max(self.spec.every, 0.1)) - 1
            self.history.extend([None] * min(max(missed, 0), HISTORY) if missed > 1 else ())
        self.reading = reading
        self.history.append(self.value)

    def state(self, now: float) -> str:
        """The glyph's name: `pending`, `stale`, `unknown` (no data) or the reading's status."""
        if self.reading is None:
            return "pending"
        limit_s = max(STALE_PERIODS * self.spec.every, STALE_AT_LEAST_S)
        if now - self.reading.at > limit_s:
            return "stale"
        if self.reading.status is not Status.ERROR and self.value is None:
            return "unknown"
        return str(self.reading.status.value)


def metric_line(metric: Metric, width: int, title_cells: int, now: float) -> Line:
    """The row, exactly fitting `width` cells; what doesn't fit is left out, never cut short.

    A state that isn't ok has its glyph in front and its word at the end.
    """
    state = metric.state(now)
    look = glyph(state)
    tone = "plain" if state == "ok" else look.style
    mark = "  " if state == "ok" else f"{look.drawn} "
    title = cut(metric.title, title_cells)
    lead = [Span(mark, look.style), Span(set_cell_size(title, title_cells) + " ", "plain")]
    number = format_metric(metric.value, metric.spec.unit)
    words = _words(metric, state, now)
    room = width - title_cells - 3
    if metric.value is None:
        text = cut(words or number, max(room, 0))
        return Line((*lead, Span(text, tone)), metric.spec.id)
    lead.append(Span(number.rjust(min(_NUMBER_CELLS, max(room, 0))), tone))
    room -= max(cell_len(number), _NUMBER_CELLS)
    tail = _tail(metric, words, tone, room)
    room -= sum(cell_len(one.text) for one in tail)
    spark = Span("", "dim")
    if room - 1 >= _SPARK_CELLS[0]:
        cells = min(room - 1, _SPARK_CELLS[1])
        drawn = sparkline(metric.history, cells, *_scale(metric, cells))
        spark = Span(" " * (room - cells) + drawn, "dim" if state == "ok" else tone)
    elif room > 0:
        spark = Span(" " * room, "dim")
    return Line((*lead, spark, *tail), metric.spec.id)


def title_width(metrics: Sequence[Metric], width: int) -> int:
    """One width for all titles of a panel `width` cells wide, in cells."""
    widest = max((cell_len(one.title) for one in metrics), default=0)
    room = width - 3 - _NUMBER_CELLS - _WORD_CELLS
    return max(min(widest, _TITLE_CELLS[1], room), min(_TITLE_CELLS[0], width))


def format_metric(value: float | None, unit: str) -> str:
    """`41%`, `182ms`, `1204`, `3.2/s`, `12 MB`; `no data` for None."""
    text = format_value(value, unit)
    return text.replace(" %", "%").replace(" ms", "ms").replace(" s", "s")


def _words(metric: Metric, state: str, now: float) -> str:
    """What stands for the state in words; empty when it is ok."""
    reading = metric.reading
    if reading is None:
        return "no data yet"
    match state:
        case "ok":
            return ""
        case "stale":
            return f"stale {format_age(now - reading.at)}"
        case "unknown":
            return f"no data: {clean_text(reading.summary)}" if reading.summary else "no data"
        case "error":
            return f"error: {clean_text(reading.summary)}"
    return glyph(state).word


def format_age(seconds: float) -> str:
    """`42 s`, `3 min`, `2 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def _tail(metric: Metric, words: str, tone: str, room: int) -> list[Span]:
    """What follows the history, as far as it fits: the most important first."""
    wanted: list[tuple[int, Span]] = []
    if words:
        short = words if cell_len(words) < room else words.split()[0]
        wanted.append((3, Span(" " + short, tone)))
    threshold = _threshold(metric)
    if threshold:
        wanted.append((0, Span(threshold, "dim")))
    base, value = metric.baseline, metric.value
    if base is not None and value is not None:
        if base:
            change = f"{(value - base) / abs(base) * 100:+.0f}%"
            wanted.append((2, Span(change.rjust(7), "dim")))
        wanted.append((1, Span(f" base {format_metric(base, metric.spec.unit)}", "dim")))
    kept: list[tuple[int, Span]] = []
    for number, (order, span) in enumerate(wanted):
        size = cell_len(span.text)
        reserve = 0 if number == 0 and words else _SPARK_CELLS[0] + 1
        if size + reserve <= room:
            kept.append((order, span))
            room -= size
    return [span for _, span in sorted(kept, key=lambda one: one[0])]


def _threshold(metric: Metric) -> str:
    """The limit that is nearest: `≤80`, or `≥20` for one that must not be gone below."""
    spec, value = metric.spec, metric.value
    above = [one for one in (spec.warn_above, spec.fail_above) if one is not None]
    below = [one for one in (spec.warn_below, spec.fail_below) if one is not None]
    most, least = ("<", ">") if ascii_only() else ("≤", "≥")
    if above:
        ahead = [one for one in above if value is None or one >= value]
        return f" {most}{_bare(min(ahead) if ahead else max(above), spec.unit)}"
    if below:
        ahead = [one for one in below if value is None or one <= value]
        return f" {least}{_bare(max(ahead) if ahead else min(below), spec.unit)}"
    return ""


def _bare(value: float, unit: str) -> str:
    """A threshold without the unit that the value beside it has; sizes keep theirs."""
    text = format_metric(value, unit)
    return text if unit == "bytes" else text.rstrip("%ms/")


def _scale(metric: Metric, cells: int) -> tuple[float | None, float | None]:
    """From zero up to the threshold at least, so that a bar's height means something."""
    known = [one for one in list(metric.history)[-cells:] if one is not None]
    if min(known, default=0.0) < 0:
        return None, None
    spec = metric.spec
    limits = [one for one in (spec.warn_above, spec.fail_above, spec.warn_below) if one is not None]
    highest = max(known, default=0.0)
    return 0.0, max(highest, limits[0]) if limits else highest * _HEADROOM
