"""The current action in a line that is always there: what is to be done now, and its keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from screens.glyphs import glyph
from screens.keys import KEYS, shown_key
from screens.lines import Line, Segment, Span, Spans, cut, fit_segments, row, spans, width_of
from screens.view import View
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from optibid_console.advice import Advice, Way

_LOOKS = {
    "lost": "stale", "journal-away": "failing", "unsettled": "unsettled",
    "action-stopped": "failed", "waiting-for-person": "held", "unknown": "unknown",
    "action-running": "running", "step-running": "running", "rolled-back": "done",
    "rollback-incomplete": "failed", "tripped": "failing", "step-failed": "failed",
    "on-hold": "held", "gate": "held", "complete": "done", "closed": "done",
}  # fmt: skip
"""The glyph of each situation; a step that is ready and a window that opens have none."""
_KEYS = {one.id: one.key for one in KEYS}


def advice_line(view: View, place: str, width: int, now: float) -> Line:
    """Returns the current action with its keys at the end. `place`: what Enter is called from
    where the person is, `1 Enter` from another pane."""
    from optibid_console.advice import advice  # not needed for the first paint

    if view.state.runbook is None:
        return Line(())
    found = advice(view.state, now, view.seat())
    look = glyph(_LOOKS[found.situation]) if found.situation in _LOOKS else None
    mark = Span(f" {look.drawn} ", look.style) if look else Span("   ")
    watching = "" if view.drives or view.state.closed is not None else "watching: "
    head = (mark, Span(watching, "dim"), Span(found.text, "strong"))
    ways = _ways(view, found, place, max(width - min(width_of(head), width // 2) - 3, 8))
    room = width - width_of(ways) - 2
    short = (head[0], head[1], Span(cut(found.text, max(room - width_of(head[:2]), 0)), "strong"))
    return row(width, short, (*ways, Span(" ")) if ways else ())


def _ways(view: View, found: Advice, place: str, width: int) -> Spans:
    segments = [
        Segment((spans(Span(_key(view, one, place), "key"), Span(f" {one.word}", "plain")),
                 spans(Span(_key(view, one, place), "key"), Span(f" {one.word}"[:12], "plain"))),
                rank)
        for rank, one in enumerate(found.ways)
        if _key(view, one, place)
    ]  # fmt: skip
    return fit_segments(segments, width, gap=2).spans if segments else ()


def _key(view: View, way: Way, place: str) -> str:
    """The key of a way on, where the runbook moved it there; empty: it has none."""
    book = view.state.runbook
    moved = book.keys if book else {}
    if way.act == "open":
        return place
    kind, _, action_id = way.act.partition(":")
    if kind == "action":
        action = book.action(action_id) if book else None
        return shown_key(moved.get(action_id, action.key)) if action else ""
    return shown_key(moved.get(way.act, _KEYS[way.act]))


class AdviceLine(Pane, can_focus=False):
    """One line of a fixed height: nothing below it moves when what it says changes."""

    chooses = False

    def __init__(self, view: View) -> None:
        super().__init__(view, "advice")
        self.place = "Enter"

    def about(self, pane: str, chosen: str, in_timeline: str, *, moved: bool) -> None:
        """Follow the person: the focused pane with its chosen line, and that of the timeline."""
        place = self._place(pane, chosen, in_timeline, moved=moved)
        if place != self.place:
            self.place = place
            self.redraw()

    def _place(self, pane: str, chosen: str, in_timeline: str, *, moved: bool) -> str:
        if self.view.state.runbook is None:
            return "Enter"
        from optibid_console.advice import advice  # not needed for the first paint

        subject = advice(self.view.state, self.view.now(), self.view.seat()).subject
        if not subject or (chosen == subject and pane in ("timeline", "run")):
            return "Enter"
        there = in_timeline == subject
        if pane != "timeline":
            return "1 Enter" if there else "1 Esc Enter"
        return "Esc Enter" if moved else "Enter"

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        return [advice_line(self.view, self.place, width, now)]
