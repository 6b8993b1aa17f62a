"""A choice between a few ways on, each in a line, chosen with the arrows and Enter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from screens.lines import BLANK, Line, Span, row, sign, spans, wrapped
from screens.modals.sheet import Page, Sheet
from screens.view import View

Body = Callable[[int, float], list[Line]]


@dataclass(frozen=True, slots=True)
class Option:
    """One way on."""

    value: str
    text: str
    key: str = ""
    """A letter that picks it at once; empty where a stray key must not."""
    refused: str = ""
    """Why it can't be chosen; empty when it can."""


class Choose(Sheet[str | None]):
    """Gives the value of the option, or None after Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "pick", "pick", show=False)]

    def __init__(
        self, view: View, title: str, body: Body, options: Callable[[], tuple[Option, ...]],
        look: str = "", at: str = "",
    ) -> None:  # fmt: skip
        """`at`: the value of the option that is chosen first; empty: the first one."""
        self.look = look
        super().__init__(view, title)
        self._body = body
        self._options = options
        values = [one.value for one in options()]
        first = at if at in values else values[0] if values else ""
        self.first_choice = f"option:{first}" if first else ""

    def make_lines(self, width: int, now: float) -> list[Line]:
        lines = self._body(width, now)
        options = self._options()
        if options and lines:
            lines.append(BLANK)
        for one in options:
            letter = Span(f" {one.key or ' '} ", "key")
            tone = "dim" if one.refused else "plain"
            lines.append(row(width, spans(letter, Span(one.text, tone)), (), f"option:{one.value}"))
            if one.refused:
                lines += wrapped(one.refused, width, "dim", "     ")
        if self.problem:
            lines += [BLANK, *wrapped(self.problem, width, "warn")]
        return lines

    def shown_keys(self) -> list[tuple[str, str]]:
        if not self._options():
            return [(sign("up-down"), "scroll"), ("Esc", "back")]
        return [(sign("up-down"), "choose"), ("Enter", "do it"), ("Esc", "back")]

    def action_pick(self) -> None:
        page = self.query_one(Page)
        if page.chosen and not page.shows_chosen:
            page.show_chosen()  # it was paged out of sight: nothing is picked unseen
            return
        self._pick(self.query_one(Page).chosen.removeprefix("option:"))

    def on_key(self, event: events.Key) -> None:
        for one in self._options():
            if one.key and event.character == one.key:
                event.stop()
                self._pick(one.value)

    def on_pane_opened(self) -> None:
        self.action_pick()

    def _pick(self, value: str) -> None:
        option = next((one for one in self._options() if one.value == value), None)
        if option is None:
            self.dismiss(None)
        elif option.refused:
            self.problem = option.refused
            self.redraw()
        else:
            self.dismiss(value)
