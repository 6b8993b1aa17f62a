"""Secret values found in text and bytes, in the forms that they take there, and replaced."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

REDACTED = b"[REDACTED]"
SHORTEST = 4
"""Characters. A shorter value would be found everywhere; it isn't redacted."""

_SHORTEST_BASE64 = 8
_SHORTEST_LINE = 8


def forms(values: Iterable[str]) -> tuple[bytes, ...]:
    """The byte strings by which the values can be recognised in output, longest first."""
    found: set[bytes] = set()
    for value in values:
        if len(value) >= SHORTEST:
            found.update(_forms_of(value))
    return tuple(sorted(found, key=lambda one: (-len(one), one)))


class Redactor:
    """Redacts a stream: no secret gets through, however the stream is cut into chunks.

    It holds back only what could be the beginning of a secret: less than the longest
    form's length.
    """

    def __init__(self, secret_forms: tuple[bytes, ...]) -> None:
        self._forms = secret_forms
        self._held = b""
        self._covered = 0
        """How many of the held bytes belong to a secret that was announced already."""

    @property
    def held_bytes(self) -> int:
        """How many bytes wait for what follows them."""
        return len(self._held)

    def feed(self, chunk: bytes) -> bytes:
        """What can be shown now of all that was fed."""
        data = self._held + chunk
        return self._emit(data, len(data) - self._open_bytes(data))

    def flush(self) -> bytes:
        """The rest, when the stream has ended."""
        return self._emit(self._held, len(self._held))

    def whole(self, data: bytes) -> bytes:
        """All of `data`, redacted, as a stream of its own."""
        return self._emit(data, len(data))

    def _open_bytes(self, data: bytes) -> int:
        """How many bytes at the end could be the beginning of a secret."""
        return max((_open_bytes_of(form, data) for form in self._forms), default=0)

    def _emit(self, data: bytes, cut: int) -> bytes:
        parts: list[bytes] = []
        shown_to = 0
        covered_to = self._covered
        for start, end in self._spans(data):
            if start >= cut:
                break
            announced = start == 0 and self._covered > 0
            parts += (data[shown_to:start], b"" if announced else REDACTED)
            shown_to = min(end, cut)
            covered_to = max(covered_to, end)
        parts.append(data[shown_to:cut])
        self._held = data[cut:]
        self._covered = max(covered_to - cut, 0)
        return b"".join(parts)

    def _spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets are: apart from each other and in order."""
        found = [(0, self._covered)] if self._covered else []
        for form in self._forms:
            found.extend(_spans_of(form, data))
        found.sort()
        merged: list[tuple[int, int]] = []
        for start, end in found:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged


def _open_bytes_of(form: bytes, data: bytes) -> int:
    """How long the longest beginning of `form` is with which `data` ends, short of all of it."""
    tail = data[-(len(form) - 1) :]
    at = tail.find(form[:1])
    while at >= 0:
        if form.startswith(tail[at:]):
            return len(tail) - at
        at = tail.find(form[:1], at + 1)
    return 0


def _spans_of(form: bytes, data: bytes) -> Iterator[tuple[int, int]]:
    """Where `form` is in `data`, what overlaps taken together."""
    start = end = 0
    at = data.find(form)
    while at >= 0:
        if at >= end:
            if end:
                yield start, end
            start = at
        end = at + len(form)
        at = data.find(form, at + 1)
    if end:
        yield start, end


def _forms_of(value: str) -> Iterable[bytes]:
    texts = {
        value,
        value.replace("\n", "\r\n"),
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        shlex.quote(value),
        value.replace("'", "'\\''"),
        *(line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE),
    }
    if shlex.quote(value) == f"'{value}'":
        texts.discard(shlex.quote(value))
    raw = value.encode("utf-8", "surrogateescape")
    yield from (text.encode("utf-8", "surrogateescape") for text in texts)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            core = _base64_core(encode(b"\0" * before + raw), before, len(raw))
            if len(core) >= _SHORTEST_BASE64:
                yield core


def _base64_core(encoded: bytes, before: int, length: int) -> bytes:
    """The characters that depend on the value alone: RFC 4648, four for each three bytes."""
    first = (0, 2, 3)[before]
    return encoded[first : (before + length) * 8 // 6]
