"""What another runbook changes, in groups, before the window goes by it."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from optibid_console.runbook.difference import Change, RunbookDifference
from probes.text import counted
from screens.lines import BLANK, Line, wrapped
from screens.modals.confirm import Confirm
from screens.modals.sheet import heading
from screens.view import View

_DETAILS = 6
"""So many keys of one change are shown; the journal has all."""


class Reload(Confirm):
    """Enter goes by it, unless the engine says that it can't be done now."""

    def __init__(self, view: View, difference: RunbookDifference) -> None:
        self._difference = difference
        name = Path(difference.file).name
        super().__init__(view, f"Reload {name}", self._body, "go by it")

    def shown_keys(self) -> list[tuple[str, str]]:
        return [("Esc", "back")] if self._difference.refused else super().shown_keys()

    def action_go(self) -> None:
        if not self._difference.refused:
            super().action_go()

    def pinned_lines(self, width: int, now: float) -> list[Line]:
        """Returns how many changes there are, which is to be seen wherever the page is."""
        return self._head(width)

    def _head(self, width: int) -> list[Line]:
        difference = self._difference
        if difference.refused:
            return wrapped(f"Not now: {difference.refused}", width, "failing")
        count = len(difference.changes) + len(difference.secrets)
        done = sum(one.group == "steps done" for one in difference.changes)
        about = f", {done} to steps that are done" if done else ", none to a step that is done"
        return wrapped(f"{counted(count, 'change')}{about}. It is recorded.", width, "strong")

    def _body(self, width: int, now: float) -> list[Line]:
        lines = self._head(width)
        for group, changes in groupby(self._difference.changes, key=lambda one: one.group):
            lines += [BLANK, heading(group[:1].upper() + group[1:])]
            for change in changes:
                lines += _change_lines(change, width)
        if self._difference.secrets:
            lines += [BLANK, heading("Secrets")]
            names = ", ".join(f"${{{name}}}" for name in self._difference.secrets)
            lines += wrapped(f"another value: {names}", width, "plain", "  ")
        return lines


def reload_sheet(view: View, difference: RunbookDifference) -> Reload:
    """Returns the sheet that shows what would change."""
    return Reload(view, difference)


def _change_lines(change: Change, width: int) -> list[Line]:
    lines = wrapped(change.text, width, "plain", "  ")
    for detail in change.details[:_DETAILS]:
        lines += wrapped(detail, width, "dim", "      ")
    more = len(change.details) - _DETAILS
    if more > 0:
        lines += wrapped(f"and {more} more keys", width, "dim", "      ")
    return lines
