"""What is seen while the window's panes are still being loaded: the header, at once."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from screens.lines import sign

TITLE = "OptiBid console"


def opening_words() -> str:
    """Returns what the header's second line says until the engine has sent a window."""
    return f"opening the window {sign('more')}"


class Opening(Screen[None]):
    """The header's two lines, where the window's screen has them too, without the window's model:
    loading that takes as long as everything else up to the first paint."""

    def compose(self) -> ComposeResult:
        title = (f" {TITLE}", "bold $accent")
        yield Static(Content.assemble(title, f"\n {opening_words()}"), id="opening")
