"""Which log lines are on screen: the place in the ring, follow, pause and filter. No drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from screens.widgets.log_filter import FilterIndex
from screens.widgets.log_line import Level, level_of
from screens.widgets.ring import Ring

FORGOTTEN = -1
"""The number of the row that says how many older lines are gone."""


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One row of the screen: a line, and which of its wrapped parts."""

    number: int
    part: int = 0


class LogView:
    """A page of rows over a ring that moves on below it.

    The place is a line's number, so neither a resize, a filter nor new lines lose it.
    """

    def __init__(self, ring: Ring, rows_of: Callable[[int], int]) -> None:
        self.ring = ring
        self.follow = True
        self.index: FilterIndex | None = None
        self.page: list[Row] = []
        self._rows_of = rows_of
        self._top = Row(0)
        self._frozen: int | None = None
        self._seen = 0
        self._height = 1

    @property
    def paused(self) -> bool:
        return self._frozen is not None

    @property
    def follows(self) -> bool:
        """Whether the newest line is in sight as it comes."""
        return self.follow and not self.paused

    @property
    def count(self) -> int:
        """How many lines can be scrolled through now."""
        limit = self.ring.end if self._frozen is None else self._frozen
        if self.index is not None:
            return self.index.position(limit)
        return max(limit - self.ring.first, 0)

    @property
    def new_below(self) -> int:
        """Lines that came and were never on screen, while it doesn't follow."""
        if self.follows:
            return 0
        if self.index is not None:
            return len(self.index) - self.index.position(self._seen)
        return self.ring.end - max(self._seen, self.ring.first)

    def number_at(self, position: int) -> int:
        if self.index is not None:
            return self.index[position]
        return self.ring.first + position

    def position(self, number: int) -> int:
        """Where the line with this number is, or the next one that is shown."""
        if self.index is not None:
            return self.index.position(number)
        return max(number - self.ring.first, 0)

    def layout(self, height: int) -> list[Row]:
        """The rows to draw in `height` rows, from the top; fewer when there are fewer."""
        self._height = max(height, 1)
        self._trim()
        count = self.count
        if not count:
            self.page = [Row(FORGOTTEN)] if self.paused and self.ring.first else []
            return self.page
        bottom = self._last_page()
        first = min(self.position(self._top.number), count - 1)
        top = Row(self.number_at(first), self._top.part)
        if top.number != self._top.number:
            top = Row(top.number)
        self._top = bottom if self.follow else min(top, bottom)
        self.page = list(self._rows(self._top, count))
        self._seen = max(self._seen, self.page[-1].number + 1)
        return self.page

    def scroll(self, rows: int) -> None:
        """Move the page; up ends following, down to the newest line begins it again."""
        count = self.count
        if not count:
            return
        position = min(self.position(self._top.number), count - 1)
        part = self._top.part + rows
        while part < 0 and position > 0:
            position -= 1
            part += self._rows_of(self.number_at(position))
        part = max(part, 0)
        while part >= (rows_here := self._rows_of(self.number_at(position))):
            if position == count - 1:
                part = rows_here - 1
                break
            part -= rows_here
            position += 1
        before, bottom = self._top, self._last_page()
        self._top = min(Row(self.number_at(position), part), bottom)
        if rows < 0 and self._top != before:
            self.follow = False
        elif rows > 0 and self._top == bottom:
            self.follow = True

    def home(self) -> None:
        """Go to the oldest line."""
        if self.count > 1:
            self._top = Row(self.number_at(0))
            self.follow = self._top == self._last_page()

    def show(self, number: int) -> None:
        """Bring a line on screen, a third down, and stay there."""
        self._top = Row(number)
        self.scroll(-(self._height // 3))
        self.follow = False

    def toggle_pause(self) -> None:
        """Freeze what can be seen while the ring fills on, or go on."""
        self._frozen = None if self.paused else self.ring.end

    def errors(self, start: int | None, step: int) -> Iterator[int | None]:
        """Look for the next line of level error from `start` on, down (1) or up (-1).

        Yields None now and then, so that whoever waits can do something else, and in
        the end the line's number, or nothing when there is none.
        """
        self._trim()
        if start is None:
            position = 0 if step > 0 else self.count - 1
        else:
            position = self.position(start)
            if step < 0 or (position < self.count and self.number_at(position) == start):
                position += step
        looked = 0
        while 0 <= position < self.count:
            line = self.ring.line(self.number_at(position))
            if not line.notice and level_of(line.raw) is Level.ERROR:
                yield line.number
                return
            position += step
            looked += 1
            if looked % 256 == 0:
                at = line.number
                yield None
                self._trim()
                position = self.position(at + 1) if step > 0 else self.position(at) - 1

    def _trim(self) -> None:
        if self.index is not None:
            self.index.forget(self.ring.first)

    def _last_page(self) -> Row:
        rows, position = 0, self.count
        while position > 0 and rows < self._height:
            position -= 1
            rows += self._rows_of(self.number_at(position))
        return Row(self.number_at(position), max(rows - self._height, 0))

    def _rows(self, top: Row, count: int) -> Iterator[Row]:
        left = self._height
        position, part = self.position(top.number), top.part
        standing = self.paused or not self.follow
        if standing and position == 0 and part == 0 and self.ring.first:
            left -= 1
            yield Row(FORGOTTEN)
        while left > 0 and position < count:
            number = self.number_at(position)
            for one in range(part, min(self._rows_of(number), part + left)):
                left -= 1
                yield Row(number, one)
            part, position = 0, position + 1
