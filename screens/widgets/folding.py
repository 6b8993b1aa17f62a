"""A pane whose headings fold and unfold what is under them."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from screens.lines import sign
from screens.view import View
from screens.widgets.pane import Pane


class Folding(Pane):
    """Its headings begin with the sign of their fold, and their keys with one of `headings`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "fold(True)", "fold", show=False),
        Binding("right", "fold(False)", "unfold", show=False),
    ]
    headings: tuple[str, ...] = ()

    def __init__(self, view: View, pane_id: str) -> None:
        super().__init__(view, pane_id)
        self.folded: dict[str, bool] = {}
        """What the person folded (True) or unfolded, by the heading's key."""

    def fold(self, closed: bool | None = None) -> bool:
        """Fold or unfold the chosen heading; False when something else is chosen."""
        if not self.chosen.startswith(self.headings):
            return False
        heading = next((line for line in self.lines if line.key == self.chosen), None)
        is_closed = heading is not None and heading.text.startswith(sign("closed"))
        self.folded[self.chosen] = not is_closed if closed is None else closed
        self.moved = True
        self.redraw()
        return True

    def action_fold(self, closed: bool) -> None:
        self.fold(closed)
