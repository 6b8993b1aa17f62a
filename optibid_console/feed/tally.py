"""How many lines the signals carried: for who comes back and can't be given all of them."""

from __future__ import annotations

from array import array

REMEMBERED = 65_536
"""Of so many signals it is known one by one."""


class Tally:
    """Counts signals, which are numbered from 1 on, and the lines in them."""

    def __init__(self) -> None:
        self.signals = 0
        self._lines = 0
        self._upto = array("Q", bytes(8 * REMEMBERED))

    def add(self, lines: int) -> None:
        self.signals += 1
        self._lines += lines
        self._upto[self.signals % REMEMBERED] = self._lines

    def lines_since(self, number: int) -> int:
        """Lines in the signals after this one; of those before the remembered ones, none."""
        known = max(number, self.signals - REMEMBERED + 1, 0)
        return self._lines - self._upto[known % REMEMBERED]
