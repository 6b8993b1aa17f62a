"""The footer: the keys of where you are. The pane bar: the panes, on a small screen."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from optibid_console.failing_panels import failing_panels
from optibid_console.journal_head import short_head
from screens.glyphs import glyph
from screens.keys import KEYS, PANES, TITLES, Key, shown_key
from screens.lines import Line, Segment, Span, Spans, fit_segments, spans
from screens.view import View, open_question, waits_for_person
from screens.widgets.gate_line import wants_second_person
from screens.widgets.pane import Pane

_RANKS = {"help": 0, "open": 1, "tick": 2, "abort": 2, "leave": 2, "hold": 4, "note": 6, "skip": 6}
_WITH_HEAD = 60
"""Below so many columns the keys take all the room."""
_LOG_KEYS = (("/", "filter"), ("e", "next error"), ("p", "pause"), ("w", "wrap"), ("y", "copy"))
_RUN_KEYS = (("f", "follow"), ("[ ]", "other runs"))


def footer_line(view: View, pane: str, chosen: str, width: int) -> Line:
    """The keys that do something here, the most important last to go when it is narrow."""
    segments = [_segment(*one) for one in footer_keys(view, pane, chosen)]
    segments += _head(view, width)
    inner = fit_segments(segments, max(width - 2, 1))
    return Line((Span(" "), *inner.spans))


def _head(view: View, width: int) -> list[Segment]:
    """The journal's head, for observers to note: they have few keys, and room for it."""
    head = short_head(view.state) if view.observer and width >= _WITH_HEAD else ""
    if not head:
        return []
    return [Segment((spans(Span(f"head {head}", "dim")), spans(Span(head, "dim"))), 1)]


def footer_keys(view: View, pane: str, chosen: str) -> list[tuple[str, str, int]]:
    """Key, word and rank (the higher, the sooner it goes) in the order of the footer."""
    runbook = view.state.runbook
    moved = runbook.keys if runbook else {}
    shown: list[tuple[str, str, int]] = []
    for one in KEYS:
        if one.id == "zoom":
            shown += _action_keys(view)
            shown += _pane_keys(pane)
        if (
            not one.word
            or (one.panes and pane not in one.panes)
            or (one.drives and not view.drives)
        ):
            continue
        word = _word(view, one, pane, chosen)
        if word:
            shown.append((shown_key(moved.get(one.id, one.key)), word, _RANKS.get(one.id, 7)))
    may_ask = view.role is not None and not view.observer
    if may_ask and not (view.drives or view.lost or view.ended):
        shown.append(("l", "take over", 3))
    return [*shown, ("^p", "palette", 8), ("1-6", "panes", 9)]


def _word(view: View, key: Key, pane: str, chosen: str) -> str:
    if key.id == "open":
        runs = chosen.startswith("step:") and view.drives
        if open_question(view, chosen) is not None:
            return "settle" if view.drives else "look"
        return waits_for_person(view, chosen) or ("run" if runs else "open")
    if key.id == "tick":
        if chosen.startswith(("phase:", "section:", "action:")):
            return "fold"
        return "tick" if pane == "checklist" and view.drives else ""
    if key.id == "abort":
        return "abort" if view.state.active_runs() else ""
    if key.id == "hold":
        return "resume" if view.state.hold else "hold"
    if key.id == "poll" and not view.drives:
        return "confirm" if wants_second_person(view) and not view.observer else ""
    return key.word


def _action_keys(view: View) -> list[tuple[str, str, int]]:
    runbook = view.state.runbook
    if runbook is None or not view.drives:
        return []
    rollback = view.rollback()
    return [
        (
            shown_key(runbook.keys.get(one.id, one.key)),
            one.id,
            1 if one is rollback else 5,
        )
        for one in runbook.actions
        if runbook.keys.get(one.id, one.key)
    ]


def _pane_keys(pane: str) -> list[tuple[str, str, int]]:
    keys = {"logs": _LOG_KEYS, "run": _RUN_KEYS}.get(pane, ())
    return [(key, word, 3) for key, word in keys]


def _segment(key: str, word: str, rank: int) -> Segment:
    last: tuple[Spans, ...] = () if rank == 0 else ((),)
    return Segment((spans(Span(key, "key"), Span(f" {word}", "dim")), *last), rank)


class Footer(Pane, can_focus=False):
    """One line of keys."""

    chooses = False

    def __init__(self, view: View) -> None:
        super().__init__(view, "footer")
        self.pane = "timeline"
        self.chosen_line = ""

    def about(self, pane: str, chosen: str) -> None:
        """Show the keys of this pane and this line."""
        if (pane, chosen) != (self.pane, self.chosen_line):
            self.pane, self.chosen_line = pane, chosen
            self.redraw()

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        return [footer_line(self.view, self.pane, self.chosen_line, width)]


def pane_bar(view: View, current: str, width: int, now: float) -> tuple[Line, dict[str, int]]:
    """The panes with their keys and a word on each, and where in the line each begins."""
    segments = []
    for number, name in enumerate(PANES, 1):
        tone = "strong" if name == current else "dim"
        said = _said(view, name, now)
        key = Span(f"{number} ", "key")
        title, short = Span(TITLES[name], tone), Span(TITLES[name][:4], tone)
        wordings = (spans(key, title, said), spans(key, title), spans(key, short), spans(key))
        segments.append(Segment(wordings, 1 if name == current else 2 + number))
    line = fit_segments(segments, max(width - 2, 1))
    starts: dict[str, int] = {}
    column = 1
    for span in line.spans:
        for number, name in enumerate(PANES, 1):
            if span.tone == "key" and span.text.startswith(str(number)):
                starts[name] = column
        column += len(span.text)
    return Line((Span(" "), *line.spans)), starts


def _said(view: View, name: str, now: float) -> Span:
    runbook = view.state.runbook
    if name == "probes" and runbook is not None:
        bad = sum(view.health(one, now) in ("failing", "error") for one in runbook.probes)
        if bad:
            look = glyph("failing")
            return Span(f" {look.drawn}{bad}", look.style)
    if name == "metrics" and (bad := len(failing_panels(view.state, view.panel_readings()))):
        look = glyph("failing")
        return Span(f" {look.drawn}{bad}", look.style)
    if name == "run" and (active := view.state.active_runs()):
        return Span(f" {glyph('running').drawn}{active[-1].step_id}", "running")
    return Span("")


class PaneBar(Pane, can_focus=False):
    """Which panes there are, where only one can be seen."""

    chooses = False

    class Picked(Message):
        """A pane was clicked in the bar."""

        def __init__(self, pane: str) -> None:
            self.pane = pane
            super().__init__()

    def __init__(self, view: View) -> None:
        super().__init__(view, "pane-bar")
        self.current = "timeline"
        self._starts: dict[str, int] = {}

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        line, self._starts = pane_bar(self.view, self.current, width, now)
        return [line]

    def on_click(self, event: events.Click) -> None:
        before = [name for name, start in self._starts.items() if start <= event.x]
        if before:
            self.post_message(self.Picked(before[-1]))
