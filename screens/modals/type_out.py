"""A second confirmation: words that are typed out exactly."""

from __future__ import annotations

from textual.widgets import Input

from screens.lines import Line, wrapped
from screens.modals.confirm import to_type
from screens.modals.sheet import Sheet
from screens.view import View


class TypeOut(Sheet[str | None]):
    """Gives the words once they were typed exactly, or None after Esc."""

    look = "-danger"

    def __init__(self, view: View, title: str, text: str, words: str) -> None:
        super().__init__(view, title, to_type(words))
        self._text = text
        self._words = words

    def make_lines(self, width: int, now: float) -> list[Line]:
        return wrapped(self._text, width, "warn")

    def shown_keys(self) -> list[tuple[str, str]]:
        return [("Enter", "start"), ("Esc", "cancel")]

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self.typed == self._words:
            self.dismiss(self.typed)
            return
        self.problem = f'Type "{self._words}" exactly, or press Esc'
        self.redraw()
