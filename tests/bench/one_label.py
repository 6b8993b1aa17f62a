"""The peer of the start: the smallest Textual app there is."""

from textual.app import App, ComposeResult
from textual.widgets import Label


class OneLabel(App[None]):
    def compose(self) -> ComposeResult:
        yield Label("first paint")


OneLabel().run()
