"""Text from outside, made safe to show: one line, no control characters, no escapes."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"""
    (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])     # OSC, DCS, SOS, PM, APC: a string …
      [^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?     # … up to its terminator, if it has one
    | (?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?         # CSI
    | \x1b[ -/]*[0-~]?                          # any other escape sequence
    """,
    re.VERBOSE,
)
"""ECMA-48 §5: control functions, in their 7-bit and 8-bit forms."""

_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Zero-width and direction-changing characters: they make text read as what it isn't."""


def one_line(text: str | bytes, limit: int = 120) -> str:
    """`text` as one line of at most `limit` characters, with `…` where it was cut.

    Escape sequences go, runs of white space and control characters become one space;
    bytes are read as UTF-8 with `\N{REPLACEMENT CHARACTER}` for what isn't.
    """
    if isinstance(text, bytes):
        text = text[: limit * 64].decode("utf-8", "replace")
    text = text[: limit * 64]  # work bounded by what is shown, not by what was sent
    text = _INVISIBLE.sub("", _ESCAPE.sub("", text))
    text = _UNSHOWN.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def plain_line(text: str, limit: int = 500) -> str:
    """A line of output with its spacing kept: escapes and control characters go, a tab becomes
    spaces up to the next eighth column, at most `limit` characters are left."""
    text = _INVISIBLE.sub("", _ESCAPE.sub("", text[: limit * 64])).expandtabs(8)
    text = _CONTROL.sub("", text).rstrip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 row`, `2,000 rows`, `0 entries`: a count with its noun, also where it is one."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
