"""What is seen while the window's panes are still being loaded: the header, at once."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen

from screens.view import View
from screens.widgets.header import Header


class Opening(Screen[None]):
    """The header alone, where the window's screen has it too."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self._view = view

    def compose(self) -> ComposeResult:
        yield Header(self._view, "header")
