"""The log pane: a plain widget over a ring of raw lines, drawn at most 15 times a second.

It has its own top line and draws only the rows that are seen. What comes in is kept as
bytes; nothing is decoded, filtered or laid out for a line that nobody looks at.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import var
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from optibid_console.signals import LogLines
from screens.widgets import log_copier
from screens.widgets.log_feed import LogFeed
from screens.widgets.log_rows import MAX_OFFSET, RowPainter
from screens.widgets.log_search import LogSearch, Progress
from screens.widgets.log_status import StatusRow
from screens.widgets.log_title import log_title
from screens.widgets.log_view import LogView, Row
from screens.widgets.pane import title_lead
from screens.widgets.ring import Ring

FRAMES_PER_S = 15
WORK_S = 0.02
"""How long one frame may filter or look for errors: the loop is never held up for more."""
SOON_S = 0.01
TITLE_EVERY_S = 0.5
SIDEWAYS_CELLS = 16
WHEEL_ROWS = 3


class LogPane(Widget, can_focus=True):
    """Shows log lines of all tails as they come.

    `title_text` says what is shown, each tail's state and the rate; the same, styled, is
    the border's title. What stands in the way (paused, new lines below, a filter) is in a
    row at the bottom. Drops, cuts and lost tails are rows of their own among the lines.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    LogPane { height: 1fr; width: 1fr; }
    LogPane > Input { dock: bottom; height: 1; display: none; }
    LogPane.-filtering > Input { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", id="logs.filter"),
        Binding("e", "error(1)", "next error", id="logs.next-error"),
        Binding("E", "error(-1)", "previous error", show=False, id="logs.previous-error"),
        Binding("p", "pause", "pause", id="logs.pause"),
        Binding("f", "follow", "follow", id="logs.follow"),
        Binding("w", "wrap", "wrap", id="logs.wrap"),
        Binding("t", "tail", "tail", id="logs.tail"),
        Binding("y", "copy", "copy", id="logs.copy"),
        Binding("up", "rows(-1)", "up", show=False),
        Binding("down", "rows(1)", "down", show=False),
        Binding("pageup", "pages(-1)", "page up", show=False),
        Binding("pagedown", "pages(1)", "page down", show=False),
        Binding("home", "oldest", "oldest", show=False),
        Binding("end", "follow", "newest", show=False),
        Binding("left", "sideways(-1)", "left", show=False),
        Binding("right", "sideways(1)", "right", show=False),
    ]

    title_text: var[str] = var("Logs")

    def __init__(
        self,
        *,
        ring: Ring | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.ring = Ring() if ring is None else ring
        self._feed = LogFeed(self.ring)
        self.tails = self._feed.tails
        self.painter = RowPainter(self.ring)
        self.view = LogView(self.ring, self.painter.rows_of)
        self.status = StatusRow()
        self.search = LogSearch(self.view, self.tails)
        self.saves_copies = True
        """Whether a copy is also saved to a file of this machine."""
        self.absent = ""
        """Why no lines can come to this screen; empty where they can."""
        self._page: list[Row] = []
        self._timer: Timer | None = None
        self._dirty = self._look_changed = True
        self._soon = False
        self._titled_at = 0.0

    def compose(self) -> ComposeResult:
        hint = 'text  /regex/  level:error  tail:NAME  -not  "two words"   enter keeps, Esc clears'
        yield Input(placeholder=hint, compact=True)

    def on_mount(self) -> None:
        self._timer = self.set_interval(1 / FRAMES_PER_S, self._tick, pause=True)
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._restyle())
        self._restyle()

    # What comes in

    def set_tails(self, ids: Iterable[str]) -> None:
        """Name the tails that there will be, in the order of the title."""
        self.tails.add(ids)
        self._restyle()

    def add(self, signal: LogLines) -> None:
        """Take a batch of lines, a tail's notice, or both."""
        known = len(self.tails.states)
        self._feed.add(signal, time.monotonic())
        if known != len(self.tails.states):
            self._look_changed = True
        if signal.notice:
            self._titled_at = 0.0
        self._wake()

    def missed(self, lines: int) -> None:
        """Say that so many lines never reached this screen."""
        self._feed.missed(lines)
        self._wake()

    # Drawing

    def _wake(self) -> None:
        self._dirty = True
        if self._timer is not None:
            self._timer.resume()

    def _restyle(self) -> None:
        self._look_changed = True
        self._titled_at = 0.0
        self._wake()

    def _tick(self) -> None:
        now = time.monotonic()
        progress = self.search.advance(WORK_S)
        if progress is Progress.NOTHING:
            self.status.flash("no more errors this way", now)
        busy = progress is Progress.BUSY
        if self._dirty or progress is not Progress.IDLE or self.status.due(now):
            self._paint(now)
        if now - self._titled_at >= TITLE_EVERY_S:
            self._retitle(now)
        if busy and not self._soon:
            self._soon = True
            self.set_timer(SOON_S, self._work_soon)
        idle = not (self._dirty or busy or self.status.flashing or self._feed.rate.per_second(now))
        if idle and self._timer is not None:
            self._retitle(now)
            self._timer.pause()

    def _work_soon(self) -> None:
        """Go on with a filter or a search before the next frame: keys come in between."""
        self._soon = False
        self._tick()

    def _paint(self, now: float) -> None:
        self._dirty = False
        if not self.size:
            return
        if self._look_changed:
            self._look_changed = False
            self.painter.look(
                width=self.size.width,
                wrap=self.wraps,
                offset=self.painter.offset,
                tails=self.tails.shown_names,
                variables=self.app.theme_variables,
            )
        height = self.size.height - self.has_class("-filtering")
        said = bool(self.status)
        self._page = self.view.layout(height - said)
        self.status.compose(self.view, self.search, now)
        if bool(self.status) != said:
            self._page = self.view.layout(height - (not said))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        return self._strip(y).apply_style(self.rich_style)

    def _strip(self, y: int) -> Strip:
        width = self.size.width
        bottom = self.size.height - 1 - self.has_class("-filtering")
        if y == bottom and self.status:
            return self.status.strip(width, self.app.theme_variables)
        if y < len(self._page):
            return self.painter.strip(
                self._page[y], marked=self._page[y].number == self.search.marked
            )
        if y == 0:
            text = self.search.filter_text
            return self.status.nothing(
                text, self.tails.names, width, self.app.theme_variables, self.absent
            )
        return Strip.blank(width)

    def _retitle(self, now: float) -> None:
        self._titled_at = now
        title = log_title(self.tails, self.view, self._feed.rate.per_second(now), self.size.width)
        self.title_text = title.plain
        shown = Content.assemble(title_lead(self), title, " ")
        if self.border_title != shown.markup:
            self.border_title = shown

    @property
    def wraps(self) -> bool:
        """Whether long lines are wrapped."""
        return self.painter.wrap

    def on_resize(self) -> None:
        self._look_changed = True
        self._titled_at = 0.0
        self._paint(time.monotonic())
        self._wake()

    # The filter

    def action_filter(self) -> None:
        self.add_class("-filtering")
        self.query_one(Input).focus()
        self._wake()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.filter_by(event.value)

    @on(Input.Submitted)
    def _accepted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close_input()

    def filter_by(self, text: str) -> None:
        """Show only lines that `text` keeps (`log_filter` says how); empty: all of them."""
        self.search.filter_by(text)
        self._wake()

    def _close_input(self) -> None:
        self.remove_class("-filtering")
        self.focus()
        self._wake()

    def on_key(self, event: events.Key) -> None:
        open_input = self.has_class("-filtering")
        something = open_input or self.search.filter_text or self.search.looking
        if event.key != "escape" or (not something and self.view.follows):
            return
        event.stop()
        event.prevent_default()
        if not something:
            self.action_follow()
            return
        if open_input:
            self._close_input()
        self.search.stop()
        self.query_one(Input).value = ""
        self.filter_by("")

    # Keys

    def action_rows(self, rows: int) -> None:
        self.view.scroll(rows)
        self._wake()

    def action_pages(self, pages: int) -> None:
        self.action_rows(pages * max(len(self._page) - 1, 1))

    def action_oldest(self) -> None:
        self.view.home()
        self._wake()

    def action_follow(self) -> None:
        if self.view.paused:
            self.view.toggle_pause()
        self.view.follow = True
        self._titled_at = 0.0
        self._wake()

    def action_pause(self) -> None:
        self.view.toggle_pause()
        self._titled_at = 0.0
        self._wake()

    def action_wrap(self) -> None:
        self.painter.wrap = not self.painter.wrap
        self._restyle()

    def action_sideways(self, steps: int) -> None:
        if self.wraps:
            self.status.flash("lines are wrapped: w unwraps them", time.monotonic())
        offset = self.painter.offset + steps * SIDEWAYS_CELLS
        self.painter.offset = min(max(offset, 0), MAX_OFFSET)
        self._restyle()

    def action_tail(self) -> None:
        self.tails.select_next()
        self.filter_by(self.search.filter_text)
        self._restyle()

    def action_error(self, step: int) -> None:
        self.search.find_error(step)
        self._wake()

    def action_copy(self) -> None:
        """Copy the lines on screen, whole, to the clipboard and to a file."""
        numbers = dict.fromkeys(row.number for row in self._page if row.number >= self.ring.first)
        lines = [self.ring.line(number) for number in numbers]
        names = self.tails.names
        log_copier.copy(
            self, lines, lambda tail: names[tail] if tail < len(names) else "",
            saves=self.saves_copies,
        )  # fmt: skip

    @on(log_copier.Saved)
    def _saved(self, event: log_copier.Saved) -> None:
        event.stop()
        log_copier.tell(self, event)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_rows(-WHEEL_ROWS)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_rows(WHEEL_ROWS)
