"""The filter of the log pane: a line of text → which lines are shown.

Words separated by spaces, all of which must hold:

    timeout            has this text; ASCII letters in either case
    "bid window"       the same with spaces
    /5\\d\\d ms/         matches this regular expression (RE2's, letters in either case)
    level:warn         is a warning or worse (error, warn, info, debug)
    tail:backend       is of this tail
    -WORD              any of them, negated

Only the first `MATCHED_BYTES` of a line are looked at.
"""

from __future__ import annotations

import re
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from probes.patterns import PatternError, compiled
from screens.widgets.log_line import Level, level_of
from screens.widgets.ring import NOTICE, Ring

MATCHED_BYTES = 4096
MOST_STEPS = 500
"""The most work of a regular expression on a byte: RE2 takes at most 20 ms for a line then."""

LEVELS = {
    "error": Level.ERROR,
    "warn": Level.WARN,
    "warning": Level.WARN,
    "info": Level.INFO,
    "debug": Level.DEBUG,
}

_BEGUN = frozenset({"/", "//", "level:", "tail:", '"', '""'})
"""Words that are still being typed: they keep everything."""
_TOKEN = re.compile(r'-?(?:/(?:\\.|[^\\/])*/?|"[^"]*"?|\S+)')
Test = Callable[[bytes], bool]


class FilterError(Exception):
    """The filter can't be used; the message says which part, why and what to write."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled filter. An empty one keeps everything."""

    text: str = ""
    tests: tuple[Test, ...] = ()
    tails: frozenset[int] | None = None
    """Indexes of the tails that are shown; None: all."""
    has_pattern: bool = False
    """It has a regular expression, which may take milliseconds on a line."""

    def __bool__(self) -> bool:
        return bool(self.tests) or self.tails is not None

    def keeps(self, raw: bytes, tag: int) -> bool:
        """Whether a raw line with this ring tag is shown. Notices always are."""
        if tag & NOTICE:
            return True
        if self.tails is not None and tag not in self.tails:
            return False
        head = raw[:MATCHED_BYTES]
        return all(test(head) for test in self.tests)


def compile_filter(text: str, tails: Sequence[str], only: str = "") -> Filter:
    """The filter that `text` describes; `only` names the one tail that is selected.

    Raises `FilterError` for a bad regular expression, an unknown level or tail.
    """
    tests: list[Test] = []
    shown = set(range(len(tails)))
    if only:
        shown &= {_tail_index(only, tails)}
    has_pattern = False
    for token in _TOKEN.findall(text):
        negated = token.startswith("-") and len(token) > 1
        word = token[1:] if negated else token
        if word in _BEGUN:
            continue
        if word.startswith("tail:"):
            index = _tail_index(word.removeprefix("tail:"), tails)
            shown = shown - {index} if negated else shown & {index}
            continue
        has_pattern = has_pattern or word.startswith("/")
        test = _test(word)
        tests.append(_negate(test) if negated else test)
    some = None if len(shown) == len(tails) else frozenset(shown)
    return Filter(text.strip(), tuple(tests), some, has_pattern)


def _test(word: str) -> Test:
    if word.startswith("/"):
        return _regex(word[1:].removesuffix("/"))
    if word.startswith("level:"):
        return _at_least(word.removeprefix("level:"))
    wanted = word.strip('"').encode().lower()
    return lambda raw: wanted in raw.lower()


def _regex(pattern: str) -> Test:
    try:
        made = compiled(pattern, either_case=True, of_bytes=True)
    except PatternError as error:
        raise FilterError(f"/{pattern}/: {error}; plain text needs no slashes") from error
    if made.steps > MOST_STEPS:
        raise FilterError(f"/{pattern}/: too large for each line: shorten its repeats {{n,m}}")
    return made.search


def _at_least(name: str) -> Test:
    lowest = LEVELS.get(name.lower())
    if lowest is None:
        raise FilterError(f"level:{name}: no such level; levels are {', '.join(LEVELS)}")
    return lambda raw: level_of(raw) >= lowest


def _tail_index(name: str, tails: Sequence[str]) -> int:
    if name in tails:
        return tails.index(name)
    known = ", ".join(tails) or "none yet"
    raise FilterError(f"tail:{name}: no such tail; tails are {known}")


def _negate(test: Test) -> Test:
    return lambda raw: not test(raw)


class FilterIndex:
    """The numbers of the ring's lines that a filter keeps, extended as lines come."""

    def __init__(self, kept: Filter, start: int) -> None:
        self.filter = kept
        self.scanned = start
        """One past the last line looked at."""
        self._numbers = array("Q")
        self._gone = 0

    def __len__(self) -> int:
        return len(self._numbers) - self._gone

    def __getitem__(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._numbers[self._gone + index]

    def position(self, number: int) -> int:
        """The index of the first kept line with this number or a later one."""
        return bisect_left(self._numbers, number, self._gone) - self._gone

    def forget(self, first: int) -> int:
        """Leave out the lines before `first`; returns how many were."""
        gone = bisect_left(self._numbers, first, self._gone)
        lost = gone - self._gone
        self._gone = gone
        if gone > 4096 and gone * 2 > len(self._numbers):
            del self._numbers[:gone]
            self._gone = 0
        return lost

    def advance(self, ring: Ring, budget_s: float) -> bool:
        """Look at more lines for about `budget_s`; returns whether there are any left."""
        until = time.monotonic() + budget_s
        keeps, append = self.filter.keeps, self._numbers.append
        slow, clock = self.filter.has_pattern, time.monotonic
        for first, raws, tags in ring.blocks(self.scanned, ring.end, 1000):
            for number, (raw, tag) in enumerate(zip(raws, tags, strict=True), first):
                if keeps(raw, tag):
                    append(number)
                if slow and clock() >= until:
                    self.scanned = number + 1
                    return self.scanned < ring.end
            self.scanned = first + len(raws)
            if clock() >= until:
                break
        return self.scanned < ring.end
