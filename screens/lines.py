"""What a pane draws: lines of toned text that fit their width, made by pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from screens.glyphs import ascii_only
from screens.sanitise import clean_text

TONES = (
    "plain", "dim", "strong", "title", "accent", "key", "ok", "warn", "failing", "error",
    "running", "pending", "skipped", "stale", "unknown", "unsettled", "recording", "watching",
)  # fmt: skip
"""The names of all tones: `themes.line_style` gives each its look."""

_SIGNS = {"more": ("…", "..."), "open": ("▾", "v"), "closed": ("▸", ">"), "rule": ("─", "-"),
          "next": ("▸", ">"), "dot": ("·", "-"), "up-down": ("↑↓", "Up Down"),
          "stderr": ("┃", "|"), "notice": ("╌", "~")}  # fmt: skip


def sign(name: str) -> str:
    """A sign that is no state, in ASCII where only that may be drawn."""
    return _SIGNS[name][1 if ascii_only() else 0]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text in one tone. The text may come from anywhere: `row` cleans it."""

    text: str
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Line:
    """One line, cleaned and cut. With a `key` it is about something and can be chosen."""

    spans: tuple[Span, ...]
    key: str = ""
    """`step:2.1b`, `item:db-backup`, `probe:redis` … or empty."""

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


BLANK = Line(())
Spans = tuple[Span, ...]


def spans(*pieces: str | Span) -> Spans:
    """Spans of which the plain ones are given as text."""
    return tuple(Span(one) if isinstance(one, str) else one for one in pieces)


def width_of(pieces: Iterable[Span]) -> int:
    """The width in cells."""
    return sum(cell_len(one.text) for one in pieces)


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells; a `…` says that there is more."""
    if cell_len(text) <= width:
        return text
    more = sign("more")
    if width <= len(more):
        return more[: max(width, 0)]
    return set_cell_size(text, width - len(more)).rstrip() + more


def fit(pieces: Iterable[Span], width: int) -> Spans:
    """The spans in at most `width` cells; what is cut ends in `…`."""
    cleaned = [_clean(one) for one in pieces if one.text]
    if width_of(cleaned) <= width:
        return tuple(cleaned)
    kept: list[Span] = []
    room = width
    reserve = len(sign("more"))
    for one in cleaned:
        size = cell_len(one.text)
        if size <= room - reserve:
            kept.append(one)
            room -= size
            continue
        # Something was left out, so this piece ends in the sign even where it would fit.
        head = set_cell_size(one.text, max(room - reserve, 0)).rstrip()
        kept.append(Span(cut(head + sign("more"), room), one.tone))
        break
    return tuple(kept)


def row(width: int, left: Iterable[Span], right: Iterable[Span] = (), key: str = "") -> Line:
    """A line with `right` at its end. `left` is cut first; `right` never takes over half."""
    ends = fit(right, max(width // 2, width - 24))
    room = width - width_of(ends) - (1 if ends else 0)
    begins = fit(left, max(room, 0))
    if not ends:
        return Line(begins, key)
    gap = Span(" " * max(width - width_of(begins) - width_of(ends), 0))
    return Line((*begins, gap, *ends), key)


def wrapped(text: str, width: int, tone: str = "plain", indent: str = "") -> list[Line]:
    """A paragraph broken at spaces, every line indented; a word that is too long is broken."""
    room = max(width - len(indent), 8)
    lines: list[Line] = []
    for paragraph in text.splitlines() or [""]:
        current = ""
        for word in _words(clean_text(paragraph), room):
            if current and cell_len(current) + 1 + cell_len(word) > room:
                lines.append(Line((Span(indent + current, tone),)))
                current = word
            else:
                current = f"{current} {word}" if current else word
        lines.append(Line((Span(indent + current, tone),)))
    return lines


def _words(text: str, width: int) -> Iterable[str]:
    for word in text.split():
        while cell_len(word) > width:
            head = set_cell_size(word, width)
            yield head
            word = word[len(head.rstrip()) or 1 :]
        yield word


def _clean(span: Span) -> Span:
    return span if span.text.isprintable() else Span(clean_text(span.text), span.tone)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a header line, from its longest wording to its shortest (empty: left out)."""

    wordings: tuple[Spans, ...]
    rank: int
    """The higher, the sooner it is shortened."""


def fit_segments(segments: Iterable[Segment], width: int, gap: int = 2) -> Line:
    """The segments side by side, the least important ones shortened until they fit."""
    parts = list(segments)
    chosen = [0] * len(parts)

    def total() -> int:
        shown = [w for w in (width_of(p.wordings[c]) for p, c in zip(parts, chosen, strict=True))
                 if w]  # fmt: skip
        return sum(shown) + gap * (len(shown) - 1)

    while total() > width:
        can = [i for i, part in enumerate(parts) if chosen[i] + 1 < len(part.wordings)]
        if not can:
            break
        # All are shortened before the first one is left out.
        # Of equal ones the last goes first.
        weakest = max(can, key=lambda i: (bool(parts[i].wordings[chosen[i] + 1]), parts[i].rank, i))
        chosen[weakest] += 1
    # A long wording that went may have left room for others that went before it.
    for i in sorted(range(len(parts)), key=lambda i: parts[i].rank):
        while chosen[i]:
            chosen[i] -= 1
            if total() > width:
                chosen[i] += 1
                break
    joined: list[Span] = []
    for part, choice in zip(parts, chosen, strict=True):
        if wording := part.wordings[choice]:
            joined += [*([Span(" " * gap)] if joined else []), *wording]
    return Line(fit(joined, width))
