"""Asks for a reason or a note."""

from __future__ import annotations

from textual.widgets import Input

from screens.lines import Line, wrapped
from screens.modals.sheet import Sheet
from screens.view import View


class Ask(Sheet[str | None]):
    """Gives the text, or None after Esc. A required text can't be blank."""

    def __init__(
        self, view: View, title: str, text: str, prompt: str, *, required: bool = True
    ) -> None:
        super().__init__(view, title, prompt)
        self._text = text
        self._required = required

    def make_lines(self, width: int, now: float) -> list[Line]:
        return wrapped(self._text, width)

    def shown_keys(self) -> list[tuple[str, str]]:
        return [
            ("Enter", "write it" if self._required else "write it, or leave it empty"),
            ("Esc", "back"),
        ]

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._required and not self.typed:
            self.problem = "it needs a few words"
            self.redraw()
            return
        self.dismiss(self.typed)
