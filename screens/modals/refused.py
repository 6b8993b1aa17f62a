"""A refusal: what was refused, why, and what to do next. Closed with Enter or Esc."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from screens.lines import BLANK, Line, wrapped
from screens.modals.sheet import Sheet
from screens.refusals import Refusal
from screens.typed_ahead import TypedAhead
from screens.view import View


class RefusedSheet(Sheet[None]):
    """Swallows text that is typed on; the Enter that ends such text doesn't close it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "leave", "close", show=False)]
    rests_after = True

    def __init__(self, view: View, refusal: Refusal, typed_ahead: TypedAhead) -> None:
        super().__init__(view, refusal.what)
        self.refusal = refusal
        self._typed_ahead = typed_ahead

    def make_lines(self, width: int, now: float) -> list[Line]:
        lines = wrapped(self.refusal.why, width, "warn")
        return [*lines, BLANK, *wrapped(self.refusal.way, width)] if self.refusal.way else lines

    def shown_keys(self) -> list[tuple[str, str]]:
        return [("Enter", "close"), ("Esc", "close")]

    def on_key(self, event: events.Key) -> None:
        if event.is_printable:
            event.stop()
            self._typed_ahead.rest()
