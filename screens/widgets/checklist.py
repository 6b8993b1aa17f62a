"""The checklist: sections of items that people tick, with who, when, notes and probe hints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from optibid_console.entries import Mark
from optibid_console.launch_clock import current_phase
from optibid_console.runbook.model import CheckItem, CheckSection
from screens.glyphs import glyph
from screens.lines import Line, Span, Spans, row, sign, spans
from screens.view import View
from screens.widgets.folding import Folding

_LOOKS = {Mark.OPEN: "pending", Mark.DONE: "done", Mark.FAILED: "failed",
          Mark.NOT_APPLICABLE: "skipped"}  # fmt: skip
SETTLED = frozenset({Mark.DONE, Mark.NOT_APPLICABLE})


def mark_look(mark: Mark) -> str:
    """The name of a mark's glyph."""
    return _LOOKS[mark]


def checklist_lines(
    view: View, width: int, now: float, folded: Mapping[str, bool] | None = None
) -> list[Line]:
    """All lines of the checklist. `folded`: what the person folded or unfolded, by line key."""
    runbook = view.state.runbook
    if runbook is None:
        return []
    chosen = folded or {}
    opened = open_sections(view)
    lines: list[Line] = []
    group = ""
    for section in runbook.checklist:
        if section.group != group:
            lines.append(row(width, (Span(section.group, "dim"),)))
        group = section.group
        key = f"section:{section.id}"
        closed = chosen.get(key, section.id not in opened)
        lines.append(_section_line(view, section, width, key, closed))
        if not closed:
            for item in section.items:
                lines += _item_lines(view, item, width, now)
    return lines


def open_sections(view: View) -> frozenset[str]:
    """The sections that are open by themselves: those of the phase under way."""
    runbook = view.state.runbook
    if runbook is None:
        return frozenset()
    index = current_phase(runbook, view.state)
    phase = runbook.phases[index].id if index < len(runbook.phases) else ""
    due = [one.id for one in runbook.checklist if one.phase == phase and not _settled(view, one)]
    if not due:
        due = [one.id for one in runbook.checklist if not _settled(view, one)][:1]
    return frozenset(due)


def _settled(view: View, section: CheckSection) -> bool:
    return _count(view, section) == len(section.items)


def _count(view: View, section: CheckSection) -> int:
    items = view.state.items
    return sum(one.id in items and items[one.id].mark in SETTLED for one in section.items)


def _section_line(view: View, section: CheckSection, width: int, key: str, closed: bool) -> Line:
    count, total = _count(view, section), len(section.items)
    items = view.state.items
    failed = sum(one.id in items and items[one.id].mark is Mark.FAILED for one in section.items)
    tone = "ok" if count == total else "plain" if count else "dim"
    right = [Span(f"{count}/{total}", tone)]
    if failed:
        right.insert(0, Span(f"{glyph('failed').drawn} {failed} failed  ", glyph("failed").style))
    fold = sign("closed" if closed else "open")
    return row(width, spans(Span(f"{fold} ", "dim"), section.title), right, key)


def _item_lines(view: View, item: CheckItem, width: int, now: float) -> list[Line]:
    seen = view.state.items.get(item.id)
    mark = seen.mark if seen else Mark.OPEN
    look = glyph(mark_look(mark))
    role = f"{item.role}: " if item.role and not item.text.startswith(item.role) else ""
    tone = "plain" if mark in (Mark.OPEN, Mark.FAILED) else "dim"
    left = spans(Span(f"  {look.drawn} ", look.style), Span(role, "accent"), Span(item.text, tone))
    lines = [row(width, left, _item_end(view, item, mark, now), f"item:{item.id}")]
    if seen is not None and seen.note:
        lines.append(row(width, (Span(f"      {seen.note}", "dim"),)))
    for note in view.state.notes:
        if note.subject == f"item:{item.id}":
            lines.append(row(width, (Span(f"      {note.by}: {note.text}", "dim"),)))
    return lines


def _item_end(view: View, item: CheckItem, mark: Mark, now: float) -> Spans:
    seen = view.state.items.get(item.id)
    hint: list[Span] = []
    if item.probe and mark is Mark.OPEN:
        look = glyph(view.health(item.probe, now))
        hint = [Span("probe ", "dim"), Span(f"{look.drawn} {look.word}", look.style)]
    if seen is None or mark is Mark.OPEN:
        return tuple(hint)
    at = datetime.fromtimestamp(seen.at, UTC).strftime("%H:%M")
    word = {Mark.FAILED: "failed ", Mark.NOT_APPLICABLE: "n/a "}.get(mark, "")
    tone = glyph("failed").style if mark is Mark.FAILED else "dim"
    return spans(Span(f"{word}{seen.by} {at}", tone))


class Checklist(Folding):
    """The check items in their sections."""

    headings = ("section:",)

    def __init__(self, view: View) -> None:
        super().__init__(view, "checklist")

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        return checklist_lines(self.view, width, now, self.folded)

    def title(self, now: float) -> str:
        runbook = self.view.state.runbook
        if runbook is None:
            return "Checklist"
        total = sum(len(one.items) for one in runbook.checklist)
        count = sum(_count(self.view, one) for one in runbook.checklist)
        return f"Checklist {count}/{total}"

    def preferred(self) -> str:
        """The first open item of the phase under way."""
        runbook, due = self.view.state.runbook, open_sections(self.view)
        if runbook is None:
            return ""
        for section in runbook.checklist:
            if section.id not in due or self.folded.get(f"section:{section.id}"):
                continue
            for item in section.items:
                seen = self.view.state.items.get(item.id)
                if seen is None or seen.mark is Mark.OPEN:
                    return f"item:{item.id}"
        return next((f"section:{one.id}" for one in runbook.checklist if one.id in due), "")

    def reveal(self, item_id: str) -> None:
        """Choose an item, its section unfolded."""
        runbook = self.view.state.runbook
        for section in runbook.checklist if runbook else ():
            if any(item.id == item_id for item in section.items):
                self.folded[f"section:{section.id}"] = False
        self.choose(f"item:{item_id}")
