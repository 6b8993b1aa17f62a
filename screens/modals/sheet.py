"""A sheet over the window: a title, lines that may be chosen, at most one input, its keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from screens.lines import Line, Segment, Span, fit_segments, spans
from screens.sanitise import clean_text
from screens.view import View
from screens.widgets.pane import Pane

R = TypeVar("R")
PINNED = 3
"""At most so many lines stay in sight above the input while the page is scrolled."""


class Page(Pane):
    """The lines of a sheet."""

    def __init__(self, view: View, sheet: Sheet[R]) -> None:
        super().__init__(view, "page")
        self._sheet = sheet

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        return self._sheet.make_lines(width, now)

    def preferred(self) -> str:
        return self._sheet.first_choice

    def show_place(self, now: float, above: int, below: int) -> None:
        self._sheet.show_more(above, below, len(self.lines))

    def action_page(self, direction: int) -> None:
        """Scroll by a page, also over lines that can't be chosen."""
        self.turn(direction)

    def turn(self, direction: int) -> None:
        """Scroll by a page; what is chosen follows onto it where it can."""
        self.top += direction * max(self.size.height - 1, 1)
        self.top = max(0, min(self.top, len(self.lines) - self.size.height))
        if self.chooses and not self.shows_chosen:
            rows = range(self.top, min(self.top + self.size.height, len(self.lines)))
            seen = [index for index in rows if self.lines[index].key]
            if seen:
                self._cursor = seen[0 if direction > 0 else -1]
                self.chosen, self.moved = self.lines[self._cursor].key, True
        self.scrolled()
        self._paint(self.view.now())

    def show_from(self, index: int) -> None:
        """Scroll so that this line is the first one, or the last page where that is short."""
        self._scroll(index - self.top)

    @property
    def shows_chosen(self) -> bool:
        """Whether the chosen line is in sight."""
        return self.top <= self._cursor < self.top + self.size.height

    def show_chosen(self) -> None:
        """Bring the chosen line into sight."""
        self._scroll_to_cursor()
        self._paint(self.view.now())


class Pinned(Pane, can_focus=False):
    """What is said below a page that doesn't fit, wherever it is scrolled to."""

    chooses = False

    def __init__(self, view: View, sheet: Sheet[R]) -> None:
        super().__init__(view, "sheet-pinned")
        self._sheet = sheet

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        return self._sheet.pinned_lines(width, now)[:PINNED]


class Keys(Pane, can_focus=False):
    """The sheet's own keys, in its last line."""

    chooses = False

    def __init__(self, view: View, sheet: Sheet[R]) -> None:
        super().__init__(view, "sheet-keys")
        self._sheet = sheet

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        segments = [
            Segment((spans(Span(key, "key"), Span(f" {word}", "dim")), ()), rank)
            for rank, (key, word) in enumerate(self._sheet.shown_keys())
        ]
        return [fit_segments(segments, width, gap=3)]


class Sheet(ModalScreen[R], Generic[R]):
    """Esc leaves it and nothing has happened."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", show=False),
        Binding("ctrl+c", "app.help_quit", "leave", show=False),
        Binding("up", "page_move(-1)", "up", show=False),
        Binding("down", "page_move(1)", "down", show=False),
        Binding("pageup", "page_page(-1)", "page up", show=False),
        Binding("pagedown", "page_page(1)", "page down", show=False),
    ]
    look = ""
    """A class for console.tcss: `-danger` where something irreversible is confirmed."""
    first_choice = ""

    def __init__(self, view: View, title: str, prompt: str = "") -> None:
        super().__init__()
        self.view = view
        self.sheet_title = title
        self.prompt = prompt
        """What the input is for; empty: no input."""
        self.problem = ""
        """Why what was typed won't do."""
        self._more = ""

    def make_lines(self, width: int, now: float) -> list[Line]:
        raise NotImplementedError

    def pinned_lines(self, width: int, now: float) -> list[Line]:
        """What must be seen also where the page doesn't fit."""
        return []

    def shown_keys(self) -> list[tuple[str, str]]:
        """Keys and words for the last line."""
        return [("Esc", "back")]

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet", classes=self.look) as box:
            box.border_title = Content(clean_text(self.sheet_title))
            yield Page(self.view, self)
            yield Pinned(self.view, self)
            if self.prompt:
                field = Input(id="sheet-input", select_on_focus=False)
                field.border_title = Content(clean_text(self.prompt))
                yield field
            yield Keys(self.view, self)

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#sheet-input" if self.prompt else "#page"))
        self.redraw()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def redraw(self) -> None:
        """Draw again what it shows, in a page as high as its lines and the screen allow."""
        if not self._is_whole:
            return
        page, pinned = self.query_one(Page), self.query_one(Pinned)
        width = page.size.width or max(min(self.app.size.width - 8, 100), 8)
        now = self.view.now()
        count = len(self.make_lines(width, now))
        room = self.app.size.height - 4 - (3 if self.prompt else 0)
        kept = len(self.pinned_lines(width, now)[:PINNED]) if room > 2 * PINNED else 0
        pinned.display = count > room and kept > 0
        _set_height(page, max(min(count, room - (kept if pinned.display else 0)), 1))
        _set_height(pinned, kept)
        page.redraw()
        pinned.redraw()
        self.query_one(Keys).redraw()
        if self.prompt:
            field = self.query_one(Input)
            field.border_subtitle = Content(clean_text(self.problem))

    @property
    def _is_whole(self) -> bool:
        """Returns whether all its parts are there: as the app ends, they go before their sheet."""
        parts = ["#page", "#sheet-pinned", "#sheet-keys", *["#sheet-input"] * bool(self.prompt)]
        return all(self.query(part) for part in parts)

    def show_more(self, above: int, below: int, count: int) -> None:
        """Say in the border which lines are seen, and the key for the others."""
        text = place_words(above, below, count)
        if text != self._more:
            self._more = text
            self.query_one("#sheet").border_subtitle = Content(text)

    @property
    def typed(self) -> str:
        return self.query_one(Input).value.strip()

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_page_move(self, step: int) -> None:
        self.query_one(Page).action_move(step)

    def action_page_page(self, direction: int) -> None:
        self.query_one(Page).action_page(direction)


def place_words(above: int, below: int, count: int) -> str:
    """Returns `lines 1-12 of 40, PgDn for more`; empty where all lines are seen."""
    if above <= 0 and below <= 0:
        return ""
    first, last = max(above, 0) + 1, count - max(below, 0)
    key = "PgDn for more" if below > 0 else "PgUp for the lines before"
    return f"lines {first}-{last} of {count}, {key}"


def _set_height(pane: Pane, rows: int) -> None:
    if pane.styles.height is None or pane.styles.height.value != rows:
        pane.styles.height = rows


def heading(text: str) -> Line:
    """A sheet's section heading."""
    return Line((Span(text, "title"),))
