"""What the log pane looks for: the filter, and the next error. Done in slices, never at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from enum import Enum

from screens.widgets.log_filter import Filter, FilterError, FilterIndex, compile_filter
from screens.widgets.log_tails import LogTails
from screens.widgets.log_view import LogView


class Progress(Enum):
    """How far a slice of work got."""

    IDLE = "idle"
    BUSY = "busy"
    FOUND = "found"
    """An error line was found and brought on screen."""
    NOTHING = "nothing"
    """There is no error that way."""


class LogSearch:
    """Filters a view's lines and finds errors among those that are shown."""

    def __init__(self, view: LogView, tails: LogTails) -> None:
        self.filter_text = ""
        self.problem = ""
        """What is wrong with the filter, for a person; empty when nothing is."""
        self.marked: int | None = None
        """The line of the last error found."""
        self._view = view
        self._tails = tails
        self._errors: Iterator[int | None] | None = None

    @property
    def looking(self) -> bool:
        """Whether an error is being looked for."""
        return self._errors is not None

    def filter_by(self, text: str) -> None:
        """Show only lines of the selected tail that `text` keeps; a bad one changes nothing."""
        self.filter_text = text.strip()
        try:
            kept = compile_filter(self.filter_text, self._tails.names, self._tails.selected)
        except FilterError as error:
            self.problem = str(error)
        else:
            self.problem = ""
            self._use(kept)

    def find_error(self, step: int) -> None:
        """Look for the next error down (1) or up (-1) from the last one or the page."""
        shown = [row.number for row in self._view.page if row.number >= 0]
        start: int | None
        if self.marked is not None and self.marked in shown:
            start = self.marked
        elif shown:
            start = shown[-1] + 1 if step < 0 else shown[0] - 1
        else:
            start = None
        self._errors = self._view.errors(start, step)

    def stop(self) -> None:
        """Look for no error any more."""
        self._errors = None

    def advance(self, budget_s: float) -> Progress:
        """Work for about `budget_s` seconds."""
        until = time.monotonic() + budget_s
        filtering = False
        if self._view.index is not None:
            filtering = self._view.index.advance(self._view.ring, budget_s)
        while self._errors is not None and time.monotonic() < until:
            found = next(self._errors, -1)
            if found is not None:
                return self._show(found)
        return Progress.BUSY if filtering or self.looking else Progress.IDLE

    def _show(self, found: int) -> Progress:
        self._errors = None
        if found < 0:
            return Progress.NOTHING
        self.marked = found
        self._view.show(found)
        return Progress.FOUND

    def _use(self, kept: Filter | None) -> None:
        self._errors = None
        self._view.index = FilterIndex(kept, self._view.ring.first) if kept else None
