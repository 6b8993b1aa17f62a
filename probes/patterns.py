"""Regular expressions that a runbook or a person gives, matched by RE2.

RE2 has no backtracking: a search takes time in proportion to the pattern's size times the
text's length, whatever a server answers. It lacks what only backtracking can do (look-around,
backreferences); `PatternError` says so and what to write instead.

A pattern is compiled once for each way of use. Its `steps` per byte are an upper bound of the
work, so a use that could take too long is refused when the runbook is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, Protocol

from probes.pattern_words import explained, sample
from probes.text import one_line

STEPS_PER_S = 100_000_000
"""RE2's slowest matcher does 140 million of a step (an instruction for a byte) a second."""
MOST_STEPS = 800_000_000
"""More than this, about eight seconds, is refused for a single search."""
MOST_BYTES = 16_000_000
"""The longest text that is searched."""
_MEMORY_BYTES = 4 << 20
"""For each compiled pattern: its program, and RE2's cache of states."""


class PatternError(ValueError):
    """The pattern can't be used; the message says where, why and what to write instead."""


class _Match(Protocol):
    def group(self, index: int) -> str | bytes | None: ...


class _Compiled(Protocol):
    groups: int
    programsize: int

    def search(self, text: bytes) -> _Match | None: ...

    def fullmatch(self, text: bytes) -> _Match | None: ...


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled regular expression. It may be used from several threads."""

    text: str
    groups: int
    steps: int
    """The most work that a byte of text can cost."""
    _compiled: _Compiled

    def search(self, text: str | bytes) -> bool:
        """Returns whether the pattern matches somewhere in `text`. Raises `PatternError`."""
        return self._compiled.search(self._bounded(text)) is not None

    def fullmatch(self, text: str | bytes) -> bool:
        """Returns whether the pattern matches all of `text`. Raises `PatternError`."""
        return self._compiled.fullmatch(self._bounded(text)) is not None

    def first_group(self, text: str | bytes) -> str | None:
        """Returns what the first group matched; None without a match. Raises `PatternError`."""
        found = self._compiled.search(self._bounded(text))
        group = None if found is None else found.group(1)
        return group.decode("utf-8", "replace") if isinstance(group, bytes) else group

    def _bounded(self, text: str | bytes) -> bytes:
        # a lone surrogate, which JSON can hold, isn't UTF-8: RE2 sees "?"
        data = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        if len(data) > MOST_BYTES or len(data) * self.steps > MOST_STEPS:
            raise PatternError(
                f"/{one_line(self.text, 60)}/ was not tried: the text has {len(data):,} bytes,"
                f" and this pattern is searched in at most {self.most_bytes:,}"
            )
        return data

    @property
    def most_bytes(self) -> int:
        """The longest text that this pattern is searched in."""
        return min(MOST_BYTES, MOST_STEPS // self.steps)


@lru_cache(maxsize=512)
def compiled(
    text: str,
    *,
    lines: bool = False,
    either_case: bool = False,
    captures: bool = False,
    of_bytes: bool = False,
) -> Pattern:
    """Returns the pattern that `text` writes. Raises `PatternError`.

    With `lines`, `^` and `$` match at each line; with `either_case`, letters match in either
    case; `captures` keeps the groups, which makes a search slower; `of_bytes` is for text that
    may be no UTF-8: `.` is a byte then.
    """
    import re2  # only here: a command that searches nothing doesn't pay for it

    options: Any = re2.Options()
    options.log_errors = False  # RE2 would write to stderr, which is the terminal
    if of_bytes:
        options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _MEMORY_BYTES
    options.never_capture = not captures
    options.case_sensitive = not either_case
    try:
        source = text.encode()
    except UnicodeEncodeError as error:
        raise PatternError(f"not text: half a character in {one_line(text, 60)!r}") from error
    if words := explained(text):
        raise PatternError(words)
    try:
        made = re2.compile(b"(?m)" + source if lines else source, options)
    except re2.error as error:
        raise PatternError(explained(text, error.args[0])) from None
    steps = max(1, made.programsize) * (1 + made.groups)
    return Pattern(text, made.groups, steps, made)


def size_problem(pattern: Pattern, most_bytes: int, how: str = "") -> str:
    """Returns what is wrong with searching `most_bytes` for the pattern; empty if nothing is.

    `how` says what bounds the text, as the settings call it: `max_bytes`.
    """
    if most_bytes <= pattern.most_bytes:
        return ""
    instead = "shorten its repeats {n,m} and its \\p{…} classes"
    if how:
        instead += f", or set {how} to at most {pattern.most_bytes}"
    return (
        f"too large a pattern for {most_bytes:,} bytes of text: it takes up to {pattern.steps:,}"
        f" steps a byte, which is {most_bytes * pattern.steps / STEPS_PER_S:.0f} s: {instead}"
    )


def hostile_texts(pattern: str, length: int) -> Iterator[bytes]:
    """Texts of about `length` bytes that are hard for `pattern`: what it accepts, repeated,
    with an end that it doesn't accept."""
    words = sample(pattern) or "a"
    letters = tuple(dict.fromkeys(words))[:24]
    end = "\x00!"
    repeated = [words, *letters, "".join(letters), "".join(f"{one}{one} " for one in letters)]
    for one in dict.fromkeys(repeated):
        yield (one * (length // len(one.encode()) + 1) + end).encode()[-length:]
    # without a period, so that RE2 can't keep its states; once without what ends a match
    for some in dict.fromkeys((letters, letters[:-1] or letters)):
        yield ("".join(Random(1).choices(some, k=length)) + end).encode()[-length:]
