"""What goes bad on the disk under a running window is found: its journal is read again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from optibid_console.entries import GENESIS
from optibid_console.journal import chain, entry_row
from optibid_console.journal.journal import JournalBusy, JournalError
from optibid_console.journal.places import rows_after
from optibid_console.journal_place import Place

PASS_S = 10.0
"""A pass over the whole journal begins at most so often, in seconds."""
BUDGET_S = 0.005
"""What one call may cost, in CPU seconds: at one a second 0.5 % of a core while a pass goes on,
about 400 entries."""


class Scrub:
    """Walks the chain again and again, a piece at each call.

    An append reads few of the file's pages, so a bad one may lie unseen until the journal is
    needed. Each piece is read through a connection of its own: one that is kept would show
    what it remembers and not what the disk has.
    """

    def __init__(self, place: Place) -> None:
        self._path = place
        self._good, self._head = 0, GENESIS
        self._begun = -PASS_S
        self._under_way = False

    def go_on(self, head: tuple[int, str], now: float) -> str:
        """Read on; gives what is wrong, or nothing. Blocks.

        `head`: an entry that was committed before; `now`: monotonic seconds. What was found
        bad is read again by the next call, so it is noticed too when the file was repaired.
        """
        if not self._under_way:
            if now - self._begun < PASS_S:
                return ""
            self._under_way, self._begun = True, now
            self._good, self._head = 0, GENESIS
        try:
            problem = self._read(head)
        except JournalBusy:
            return ""
        except JournalError as error:
            return str(error)
        if not problem:
            return ""
        return (
            f"the journal {self._path} is damaged: {problem}; check the disk, keep the file as "
            "evidence and go on with another --journal"
        )

    def _read(self, head: tuple[int, str]) -> str:
        piece = _Piece()
        with rows_after(self._path, self._good) as rows:
            found = chain.walk(piece.of(rows), after=(self._good, self._head))
        self._good, self._head = found.entries, found.head
        if found.problem or not piece.ended:
            return found.problem
        if found.entries < head[0]:
            return f"entries {found.entries + 1} to {head[0]} are missing at its end"
        self._under_way = False
        return ""


class _Piece:
    """As many rows as the budget allows."""

    def __init__(self) -> None:
        self.ended = False

    def of(self, rows: Iterable[entry_row.Row]) -> Iterator[entry_row.Row]:
        until = time.thread_time() + BUDGET_S
        for row in rows:
            yield row
            if time.thread_time() >= until:
                return
        self.ended = True
