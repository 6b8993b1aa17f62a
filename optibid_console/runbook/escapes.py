"""Text as it reads once its escapes are taken back, with the place of each byte in the original.

Three kinds of escapes are known: percent-encoding (RFC 3986 2.1), backslashes (JSON, RFC 8259 7,
and shells) and HTML's character references. Letters and digits of ASCII are never written as an
escape by any encoder, so that no escape of one is taken back: a run of them stands in every
escaped form as it is. What wraps base64 (RFC 2045 6.8, RFC 7468 2) is taken out as a line break
after a long run of its characters.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

MOST_LAYERS = 3
"""JSON in a query in a JSON log line; each layer costs a pass, where there are escapes at all."""
MOST_EXPANDED = 40
"""Bytes that an escape of one byte takes at most, in all its layers."""

_ESCAPE = re.compile(
    rb"%[0-9A-Fa-f]{2}"
    rb"|\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
    rb"|\\u[0-9A-Fa-f]{4}"
    rb"|\\x[0-9A-Fa-f]{2}"
    rb"|\\[nrtbf !-/:-@\[-`{-~]"
    rb"|&(?:#[0-9]{1,8}|#[xX][0-9A-Fa-f]{1,7}|[A-Za-z][A-Za-z0-9]{1,30});"
)
_BEGUN_ESCAPE = re.compile(
    rb"(?:%[0-9A-Fa-f]?|\\(?:u[0-9A-Fa-f]{0,3}|x[0-9A-Fa-f]?)?"
    rb"|\\u[dD][89abAB][0-9A-Fa-f]{2}(?:\\(?:u[0-9A-Fa-f]{0,3})?)?"
    rb"|&(?:#[0-9]{0,8}|#[xX][0-9A-Fa-f]{0,7}|[A-Za-z][A-Za-z0-9]{0,30})?)\Z"
)
_LONGEST_ESCAPE = 33
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_MARKS = (b"%", b"\\", b"&")

_WRAPPED_RUN = 48
"""Base64 is wrapped at 64 or 76 columns; a run so long before a line break is such a line."""
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_KINDS = bytes(0x41 if one in _BASE64 else 0x0A if one in b"\r\n\\" else 0x20 for one in range(256))
_WRAP = b"A" * _WRAPPED_RUN + b"\n"
_BREAK = re.compile(rb"(?:\r\n?|\n|(?:\\r)?\\n|\\r?\Z)[ \t]{0,8}")


@dataclass(frozen=True, slots=True)
class View:
    """A text that was made of another one by replacing pieces of it."""

    text: bytes
    starts: tuple[int, ...]
    """Where the pieces begin in this text."""
    pieces: tuple[tuple[int, int, int], ...]
    """Of each piece: its length here, where it begins in the original, its length there."""
    before: View | None = None
    """The original, where that is such a text too."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Returns where the bytes from `start` to `end` stand in the first original."""
        found = self._place(start, at_end=False), self._place(end - 1, at_end=True)
        return found if self.before is None else self.before.span(*found)

    def _place(self, at: int, *, at_end: bool) -> int:
        index = bisect_right(self.starts, at) - 1
        if index < 0:
            return at + at_end
        length, original, original_length = self.pieces[index]
        past = at - self.starts[index] - length
        if past < 0:
            return original + (original_length if at_end else 0)
        return original + original_length + past + at_end


def views(data: bytes, context: bytes = b"") -> Iterator[View]:
    """Yield `data` without the line breaks of wrapped base64, and each layer of its escapes taken
    back, with and without those breaks. Yields nothing for a text that has neither.

    `context`: what stood before `data`, of which up to `_WRAPPED_RUN` bytes are looked at.
    """
    layer: View | None = None
    for _ in range(MOST_LAYERS + 1):
        joined = unwrapped(data if layer is None else layer.text, layer, context)
        if joined is not None:
            yield joined
        layer = unescaped(data if layer is None else layer.text, layer)
        if layer is None:
            return
        yield layer


def unescaped(data: bytes, before: View | None = None) -> View | None:
    """Returns the text with one layer of escapes taken back; None where it has none."""
    if not any(mark in data for mark in _MARKS):
        return None
    found = [(one.start(), one.end(), _meant(one[0])) for one in _ESCAPE.finditer(data)]
    return _replaced(data, [one for one in found if one[2]], before)


def unwrapped(data: bytes, before: View | None = None, context: bytes = b"") -> View | None:
    """Returns the text without the line breaks in wrapped base64; None where it has none."""
    if not any(one in data for one in (b"\n", b"\r", b"\\")):
        return None
    context = context[-_WRAPPED_RUN:]
    kinds = (context + data).translate(_KINDS)
    breaks = []
    at = kinds.find(_WRAP)
    while at >= 0:
        start = at + _WRAPPED_RUN - len(context)
        found = _BREAK.match(data, start)
        if found:
            breaks.append((start, found.end(), b""))
        at = kinds.find(_WRAP, at + _WRAPPED_RUN)
    return _replaced(data, breaks, before)


def begun_escape_bytes(data: bytes) -> int:
    """Returns how many bytes at the end could be the beginning of an escape."""
    end = data[-_LONGEST_ESCAPE:]
    if not any(mark in end for mark in _MARKS):
        return 0
    found = _BEGUN_ESCAPE.search(end)
    return len(end) - found.start() if found else 0


def _replaced(data: bytes, found: list[tuple[int, int, bytes]], before: View | None) -> View | None:
    if not found:
        return None
    parts: list[bytes] = []
    starts: list[int] = []
    pieces: list[tuple[int, int, int]] = []
    done = length = 0
    for start, end, text in found:
        parts += (data[done:start], text)
        starts.append(length + start - done)
        pieces.append((len(text), start, end - start))
        length = starts[-1] + len(text)
        done = end
    parts.append(data[done:])
    return View(b"".join(parts), tuple(starts), tuple(pieces), before)


def _meant(escape: bytes) -> bytes:
    """What an escape stands for, in UTF-8; empty for a letter or a digit, and for none at all."""
    kind, rest = escape[:1], escape[1:]
    if kind == b"%":
        meant = bytes((int(rest, 16),))
    elif kind == b"&":
        meant = _referred(escape.decode())
    elif rest[:1] == b"u":
        units = b"".join(bytes.fromhex(one.decode()) for one in rest[1:].split(b"\\u"))
        meant = units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")
    elif rest[:1] == b"x":
        meant = bytes((int(rest[1:], 16),))
    else:
        meant = _CONTROLS.get(rest, rest)
    return b"" if meant.isalnum() else meant


def _referred(reference: str) -> bytes:
    text = html.unescape(reference)
    return b"" if text == reference else text.encode("utf-8", "surrogatepass")
