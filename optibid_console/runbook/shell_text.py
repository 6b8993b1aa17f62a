"""Values put into shell text, quoted for the place where they stand.

A reference is `${NAME}` or `${dotted.name}`. `$${NAME}` is the shell's own `${NAME}`,
as are `$NAME` and `${NAME:-default}`; a comment's text is left alone. Quoting follows
POSIX.1-2017, Shell Command Language, 2.2 and 2.6; where a value couldn't be quoted
safely (backticks, here-documents, arithmetic, the script after `sh -c`) it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from optibid_console.runbook.shell_lexer import NAME, Place, Spot, spots

REFERENCE = re.compile(rf"(?<!\$)\$\{{({NAME})\}}")
"""A reference in text that isn't shell; `$${` there is a literal `${`."""

_EXPANDS_ON = re.compile(r"\$\w*$")
"""`"$x` before a value: in double quotes the value would become part of the name."""


def references(text: str) -> tuple[str, ...]:
    """The names that a shell text refers to, in order, each once."""
    return tuple(dict.fromkeys(spot.name for spot in spots(text) if not spot.escaped))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The shell text with each reference to a name in `values` as a quoted word.

    Other references stay. Raises `ValueError` when a value can't stand safely where
    it is wanted, or when a value has a NUL character, which no argument can carry.
    """

    def replacement(spot: Spot) -> str | None:
        if spot.escaped or spot.name not in values:
            return None
        value = values[spot.name]
        if "\0" in value:
            raise ValueError(f"the value of ${{{spot.name}}} has a NUL character")
        return _quoted(value, spot, text[max(0, spot.start - 200) : spot.start])

    return _rewritten(text, replacement)


def guard(text: str, secret_names: Collection[str]) -> str:
    """The shell text with each reference to a secret as `"${NAME}"`: one word, whatever it holds.

    The value itself comes from the run's environment. Raises `ValueError` as `fill` does.
    """

    def replacement(spot: Spot) -> str | None:
        if spot.escaped or spot.name not in secret_names:
            return None
        return _guarded(spot.name, spot.place)

    return _rewritten(text, replacement)


def unescape(text: str) -> str:
    """The shell text with each `$${NAME}` as an expansion that only the shell sees.

    In and outside double quotes that is `${NAME-}`, in single quotes the characters
    `${NAME}`; neither is a reference any more. Raises `ValueError` as `fill` does.
    """

    def replacement(spot: Spot) -> str | None:
        if not spot.escaped:
            return None
        if spot.place is Place.SINGLE:
            return f"$''{{{spot.name}}}"
        if "." in spot.name:
            raise ValueError(f"$${{{spot.name}}}: the shell has no such name")
        return f"${{{spot.name}-}}"

    return _rewritten(text, replacement)


def _rewritten(text: str, replacement: Callable[[Spot], str | None]) -> str:
    parts: list[str] = []
    done = 0
    for spot in spots(text):
        new = replacement(spot)
        if new is None:
            continue
        if spot.refusal:
            raise ValueError(f"${{{spot.name}}} {spot.refusal}")
        parts += (text[done : spot.start], new)
        done = spot.end
    return "".join((*parts, text[done:]))


def _quoted(value: str, spot: Spot, before: str) -> str:
    if spot.place is Place.DOUBLE and not _EXPANDS_ON.search(before):
        return re.sub(r'([\\$"`])', r"\\\1", value)
    # $'' keeps a value's ${ from being read as a reference when the text is filled again
    inner = value.replace("'", "'\\''").replace("$", "$''")
    if spot.place is Place.SINGLE:
        return inner
    return f"\"'{inner}'\"" if spot.place is Place.DOUBLE else f"'{inner}'"


def _guarded(name: str, place: Place) -> str:
    if place is Place.SINGLE:
        return f"'\"${{{name}}}\"'"
    return f"${{{name}}}" if place is Place.DOUBLE else f'"${{{name}}}"'
