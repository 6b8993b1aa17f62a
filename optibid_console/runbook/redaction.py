"""Secret values found in text and bytes, in the forms that they take there, and replaced."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from optibid_console.runbook import escapes

REDACTED = b"[REDACTED]"
SHORTEST = 4
"""Characters. A shorter value would be found everywhere; it isn't redacted."""

_SHORTEST_BASE64 = 8
_SHORTEST_LINE = 8
_RARE_RUN = 8
_MOST_RUN = 40
_RUN = re.compile(rb"[A-Za-z0-9]+")
_CONTEXT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Needle:
    """One text by which a secret is recognised, with the literal forms that it takes."""

    text: bytes
    run: bytes
    """A run of letters and digits in it, which stands in every form as it is; may be empty."""
    run_end: int
    """Where that run ends in the text."""
    forms: tuple[bytes, ...]
    """The text itself and its escaped forms, as they stand in output that nothing escaped again."""
    plain_forms: tuple[bytes, ...]
    """Those of them that stand in output once its escapes are taken back."""

    @property
    def may_begin_with_escape(self) -> bool:
        """Whether an escape may stand for the first character of the text."""
        return not self.text[:1].isalnum()


@dataclass(frozen=True, slots=True)
class Needles:
    """All that is looked for, with the runs by which most output is told to have none of it."""

    all: tuple[Needle, ...] = ()
    runs: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.all)

    def present(self, data: bytes, context: bytes = b"") -> tuple[Needle, ...]:
        """Returns the needles that could be in `data`, in whatever form; `context`: what stood
        before it."""
        runs = {one for one in self.runs if one in data}
        joined = escapes.unwrapped(data, context=context)
        if joined is not None:
            runs |= {one for one in self.runs if one in joined.text}
        return tuple(one for one in self.all if one.run in runs) if runs else ()


def needles(values: Iterable[str]) -> Needles:
    """Returns what the values can be recognised by in output."""
    found: dict[bytes, tuple[set[bytes], set[bytes]]] = {}
    for value in values:
        if len(value) >= SHORTEST:
            for text, plain, escaped in _needles_of(value):
                known = found.setdefault(text, ({text}, {text}))
                known[0].update(plain, escaped)
                known[1].update(plain)
    every = tuple(
        Needle(text, *_run_of(text), tuple(sorted(forms)), tuple(sorted(plain)))
        for text, (forms, plain) in sorted(found.items())
    )
    return Needles(every, tuple(sorted({one.run for one in every})))


def _run_of(text: bytes) -> tuple[bytes, int]:
    """The first run of letters and digits that is long enough to be rare, else the longest one,
    and where it ends."""
    runs = [(one[0], one.end()) for one in _RUN.finditer(text)]
    long = next((one for one in runs if len(one[0]) >= _RARE_RUN), None)
    run, end = long or max(runs, key=lambda one: len(one[0]), default=(b"", 0))
    over = max(len(run) - _MOST_RUN, 0)
    return run[: len(run) - over], end - over


class Redactor:
    """Redacts a stream: no secret gets through, however the stream is cut into chunks.

    It holds back only what could be the beginning of a secret: less than the longest
    form's length.
    """

    def __init__(self, wanted: Needles) -> None:
        self._needles = wanted
        self._escape_may_begin = any(one.may_begin_with_escape for one in wanted.all)
        self._forms = tuple({form for one in wanted.all for form in one.forms})
        self._plain_forms = tuple({form for one in wanted.all for form in one.plain_forms})
        self._longest_lead = max((one.run_end for one in wanted.all), default=0)
        self._held = b""
        self._covered = 0
        """How many of the held bytes belong to a secret that was announced already."""
        self._context = b""
        """What was given just before the held bytes."""

    @property
    def held_bytes(self) -> int:
        """How many bytes wait for what follows them."""
        return len(self._held)

    def feed(self, chunk: bytes) -> bytes:
        """What can be shown now of all that was fed."""
        data = self._held + chunk
        there = self._needles.present(data, self._context)
        return self._emit(data, len(data) - self._open_bytes(data, there), there)

    def flush(self) -> bytes:
        """The rest, when the stream has ended."""
        return self.whole(self._held)

    def whole(self, data: bytes) -> bytes:
        """All of `data`, redacted, as a stream of its own."""
        return self._emit(data, len(data), self._needles.present(data, self._context))

    def _open_bytes(self, data: bytes, there: tuple[Needle, ...]) -> int:
        """How many bytes at the end could be the beginning of a secret."""
        found = self._open_in(data, self._forms)
        tail = data[-self._reach(there) :]
        before = (self._context + data[: len(data) - len(tail)])[-_CONTEXT_BYTES:]
        for view in escapes.views(tail, before):
            open_bytes = self._open_in(view.text, self._plain_forms)
            if open_bytes:
                end = len(view.text)
                found = max(found, len(tail) - view.span(end - open_bytes, end)[0])
        return found

    def _reach(self, there: tuple[Needle, ...]) -> int:
        """How much of the end an escaped beginning of a secret can take: where a secret's run
        isn't in the data, no more of it is there than what comes before that run's end."""
        most = max((len(one.text) for one in there), default=0)
        return (max(most, self._longest_lead) + 1) * escapes.MOST_EXPANDED

    def _open_in(self, text: bytes, forms: tuple[bytes, ...]) -> int:
        """How many bytes at the end of `text` could be the beginning of one of the forms; an
        escape that has only begun there may stand for the next character."""
        found = _open_bytes_of(forms, text)
        end = len(text)
        while begun := escapes.begun_escape_bytes(text[:end]):  # `&quot%3`: one within another
            end -= begun
            more = _open_bytes_of(forms, text[:end])
            if more or self._escape_may_begin:
                found = max(found, more + len(text) - end)
        return found

    def _emit(self, data: bytes, cut: int, there: tuple[Needle, ...]) -> bytes:
        parts: list[bytes] = []
        shown_to = 0
        covered_to = self._covered
        for start, end in self._spans(data, there):
            if start >= cut:
                break
            announced = start == 0 and self._covered > 0
            parts += (data[shown_to:start], b"" if announced else REDACTED)
            shown_to = min(end, cut)
            covered_to = max(covered_to, end)
        parts.append(data[shown_to:cut])
        self._held = data[cut:]
        self._context = (self._context + data[:cut])[-_CONTEXT_BYTES:]
        self._covered = max(covered_to - cut, 0)
        return b"".join(parts)

    def _spans(self, data: bytes, there: tuple[Needle, ...]) -> list[tuple[int, int]]:
        """Where secrets are: apart from each other and in order."""
        found = [(0, self._covered)] if self._covered else []
        found.extend(self._found(data, there))
        found.sort()
        merged: list[tuple[int, int]] = []
        for start, end in found:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def _found(self, data: bytes, there: tuple[Needle, ...]) -> Iterator[tuple[int, int]]:
        if not there:
            return
        for one in there:
            for form in one.forms:
                yield from _spans_of(form, data)
        for view in escapes.views(data, self._context):
            for one in there:
                for form in one.plain_forms:
                    yield from (view.span(*span) for span in _spans_of(form, view.text))


def _open_bytes_of(forms: tuple[bytes, ...], data: bytes) -> int:
    """How many bytes at the end of `data` are the longest beginning of one of the forms."""
    return max((_begun_bytes(form, data) for form in forms), default=0)


def _begun_bytes(form: bytes, data: bytes) -> int:
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


def _needles_of(value: str) -> Iterator[tuple[bytes, set[bytes], set[bytes]]]:
    """What a value is recognised by, each with its plain and its escaped forms."""
    lines = (line.strip() for line in value.splitlines())
    for text in (value, *(line for line in lines if len(line) >= _SHORTEST_LINE)):
        plain = {_bytes(text.replace("\n", "\r\n")), _bytes(text.replace(" ", "+"))}
        plain.update(_layers_of(_bytes(text)))
        yield _bytes(text), plain, {_bytes(one) for one in _escaped(text)}
    raw = _bytes(value)
    yield raw.hex().encode(), set(), set()
    yield raw.hex().upper().encode(), set(), set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            core = _base64_core(encode(b"\0" * before + raw), before, len(raw))
            if len(core) >= _SHORTEST_BASE64:
                yield core, set(), set()


def _layers_of(text: bytes) -> Iterator[bytes]:
    """A text that has escapes of its own, as it reads when those are taken back with others."""
    for view in escapes.views(text):
        if len(view.text) >= SHORTEST:
            yield view.text


def _escaped(text: str) -> set[str]:
    """Forms that are looked for as they stand: those of the encoders that are met most, for a
    value that has escapes of its own in it, and quoting that escapes don't describe."""
    quoted = shlex.quote(text)
    return {
        quote(text),
        quote(text, safe=""),
        quote_plus(text),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        text if quoted == f"'{text}'" else quoted,
        text.replace("'", "'\\''"),
    }


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _base64_core(encoded: bytes, before: int, length: int) -> bytes:
    """The characters that depend on the value alone: RFC 4648, four for each three bytes."""
    first = (0, 2, 3)[before]
    return encoded[first : (before + length) * 8 // 6]
