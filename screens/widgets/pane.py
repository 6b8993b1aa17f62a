"""A pane: one widget that draws lines, with its own cursor and top, and nothing else moving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from screens.glyphs import ascii_only
from screens.lines import Line, cut
from screens.themes import cursor_style, line_style
from screens.view import View


class Pane(Widget, can_focus=True):
    """Draws what `make_lines` gives. What is chosen stays chosen by its key, not its row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home", "end(-1)", "first", show=False),
        Binding("end", "end(1)", "last", show=False),
    ]
    chooses = True
    """Whether lines can be chosen; otherwise the keys only scroll."""

    class Opened(Message):
        """A chosen line was clicked again."""

    class Moved(Message):
        """The person chose another line, or gave the choice back."""

    def __init__(self, view: View, pane_id: str | None = None) -> None:
        super().__init__(id=pane_id)
        self.view = view
        self.lines: Sequence[Line] = ()
        self.top = 0
        self.chosen = ""
        """The key of the chosen line."""
        self.moved = False
        """The person has chosen a line; until then the pane chooses what is next."""
        self._cursor = 0
        self._painted: list[tuple[Line | None, bool]] = []
        self._painted_size = Size()
        self._title = ("", "", "")

    # What it shows

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        """All lines, each at most `width` cells wide."""
        raise NotImplementedError

    def title(self, now: float) -> str:
        """What the top border says."""
        return ""

    def title_warning(self, now: float) -> str:
        """What the top border says in amber after the title; it is never cut for the title."""
        return ""

    def preferred(self) -> str:
        """The key that is chosen while the person has not chosen one."""
        return ""

    def redraw(self) -> None:
        """Make the lines again and repaint the rows that changed."""
        if not self.is_attached or not self.size.width:
            return
        now = self.view.now()
        self._make(now)
        self._paint(now)

    def _make(self, now: float) -> None:
        self.lines = self.make_lines(self.size.width, now)
        self._keep_place()

    def _keep_place(self) -> None:
        if self.chooses:
            wanted = self.chosen if self.moved and self.chosen else self.preferred() or self.chosen
            index = self._find(lambda line: line.key == wanted) if wanted else None
            if index is None:
                near = min(self._cursor, len(self.lines) - 1)
                index = self._selectable(near, -1)
                index = self._selectable(0, 1) if index is None else index
            followed = index is not None and index != self._cursor and not self.moved
            self._cursor = index or 0
            self.chosen = self.lines[index].key if index is not None else ""
            if followed and not self.top <= self._cursor < self.top + self.size.height:
                # What comes after it is of more use than what came before.
                self.top = self._cursor - self.size.height // 3
        self.top = max(0, min(self.top, len(self.lines) - self.size.height))

    def _find(self, test: Callable[[Line], bool]) -> int | None:
        return next((i for i, line in enumerate(self.lines) if test(line)), None)

    def _selectable(self, start: int, step: int) -> int | None:
        index = start
        while 0 <= index < len(self.lines):
            if self.lines[index].key:
                return index
            index += step
        return None

    def _paint(self, now: float) -> None:
        self.show_place(now, self.top, len(self.lines) - self.top - self.size.height)
        height, width = self.size.height, self.size.width
        after = [self._row(y) for y in range(height)]
        before, self._painted = self._painted, after
        if self._painted_size != self.size:
            self._painted_size = self.size
            self.refresh()
            return
        changed = [y for y in range(height) if before[y] != after[y]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def show_place(self, now: float, above: int, below: int) -> None:
        """Say in the border what this is, and how many lines are out of sight."""
        up, down = ("^", "v") if ascii_only() else ("↑", "↓")
        more = (f" {up}{above}" if above > 0 else "") + (f" {down}{below}" if below > 0 else "")
        room = max(self.size.width - len(more) - 5, 1)
        warning = cut(self.title_warning(now), room)
        left = room - len(warning) - 2 * bool(warning)
        said = cut(self.title(now), left) if left > 0 else ""
        gap = "  " if said and warning else ""
        title = (f"{title_lead(self)}{said}{gap}", warning, f"{more} ")
        if title != self._title:
            self._title = title
            lead, amber, end = title
            self.border_title = Content.assemble(lead, (amber, "bold $state-warn"), end)

    def _row(self, y: int) -> tuple[Line | None, bool]:
        index = self.top + y
        line = self.lines[index] if 0 <= index < len(self.lines) else None
        return line, self.chooses and line is not None and index == self._cursor and bool(line.key)

    def render_line(self, y: int) -> Strip:
        if self._painted_size != self.size:
            # Textual paints a new size before it tells it: what is seen first is no blank pane
            self._painted_size = self.size
            self._make(self.view.now())
            self._painted = [self._row(row) for row in range(self.size.height)]
        line, at_cursor = self._row(y)
        base = self.rich_style
        variables = self.app.theme_variables
        if at_cursor:
            base += cursor_style(variables, focused=self.has_focus)
        return draw(line, self.size.width, base, lambda tone: line_style(variables, tone))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.lines) or len(self.make_lines(width, self.view.now()))

    # How it moves

    def choose(self, key: str) -> None:
        """Choose the line with this key, when there is one, and bring it into sight."""
        self.chosen, self.moved = key, True
        self.redraw()
        self._scroll_to_cursor()
        self._paint(self.view.now())

    def release(self) -> bool:
        """Go back to what the pane chooses by itself; False when it did so already."""
        was = self.moved
        self.moved = False
        self._cursor = -1
        self.redraw()
        self.post_message(self.Moved())
        return was

    def scrolled(self) -> None:
        """Called after the person moved the pane."""

    def action_move(self, step: int) -> None:
        if not self.chooses:
            self._scroll(step)
            return
        index = self._selectable(self._cursor + step, step)
        if index is None:
            self._scroll(step)
        else:
            self._choose_index(index)

    def action_page(self, direction: int) -> None:
        height = max(self.size.height - 1, 1)
        if not self.chooses:
            self._scroll(direction * height)
            return
        aim = max(0, min(self._cursor + direction * height, len(self.lines) - 1))
        index = self._selectable(aim, direction)
        index = self._selectable(aim, -direction) if index is None else index
        if index is None:  # nothing here can be chosen
            self._scroll(direction * height)
        else:
            self._choose_index(index)

    def action_end(self, direction: int) -> None:
        last = len(self.lines) - 1
        if not self.chooses:
            self._scroll(direction * max(last, 1))
            return
        index = self._selectable(last if direction > 0 else 0, -direction)
        if index is None:
            self._scroll(direction * max(last, 1))
            return
        self._choose_index(index)
        if direction < 0:
            self.top = 0
            self._paint(self.view.now())

    def _choose_index(self, index: int | None) -> None:
        if index is None:
            return
        self._cursor, self.chosen, self.moved = index, self.lines[index].key, True
        self._scroll_to_cursor()
        self.scrolled()
        self.post_message(self.Moved())
        self._paint(self.view.now())

    def _scroll_to_cursor(self) -> None:
        height = max(self.size.height, 1)
        if self._cursor < self.top:
            self.top = self._cursor
        elif self._cursor >= self.top + height:
            self.top = self._cursor - height + 1

    def _scroll(self, step: int) -> None:
        self.top = max(0, min(self.top + step, len(self.lines) - self.size.height))
        self.scrolled()
        self._paint(self.view.now())

    # What Textual tells it

    def on_resize(self) -> None:
        self.redraw()
        if self.chooses:
            self._scroll_to_cursor()
            self._paint(self.view.now())

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(3)

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is None or not self.chooses:
            return
        index = self.top + place.y
        if 0 <= index < len(self.lines) and self.lines[index].key:
            again = index == self._cursor and self.has_focus
            self._choose_index(index)
            if again and event.chain == 2:
                self.post_message(self.Opened())


def title_lead(widget: Widget) -> str:
    """What goes before a border's title: after a corner it gets its space from Textual."""
    return "" if widget.styles.border_left[0] else " "


def draw(line: Line | None, width: int, base: Style, tone: Callable[[str], Style]) -> Strip:
    """A line as a strip of exactly `width` cells."""
    if line is None:
        return Strip([Segment(" " * width, base)], width)
    pieces: list[Segment] = []
    for span in line.spans:
        text = span.text.lstrip(" ")
        if len(text) < len(span.text):
            pieces.append(Segment(span.text[: len(span.text) - len(text)], base))
        if text:
            pieces.append(Segment(text, base if span.tone == "plain" else base + tone(span.tone)))
    return Strip(pieces).adjust_cell_length(width, base)
