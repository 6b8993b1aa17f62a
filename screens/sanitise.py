"""What others wrote, made safe to draw: no character that a terminal would act on is left.

Colours (SGR) and erase-line sequences vanish, because they only decorate. Everything
else stays and becomes visible: hidden text is worse than ugly text.
"""

from __future__ import annotations

import re
import unicodedata

from rich.cells import cell_len, get_character_cell_size

TAB_CELLS = 8
MAX_MARKS = 2
"""Combining marks that one character may carry; more would paint over other rows."""

_DECORATION = re.compile(r"\x1b\[[0-9;:]*[mK]")
_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_BYTES_PER_CHAR = 4
_DECORATION_ROOM = 512


def clean(raw: bytes, max_chars: int) -> str:
    """The first `max_chars` characters of a raw line, safe to draw in one row.

    Invalid UTF-8 becomes U+FFFD. Costs no more for a line of 50 MB than for a short one.
    """
    head = raw[: max_chars * _BYTES_PER_CHAR + _DECORATION_ROOM]
    if len(head) == len(raw):
        head = head.removesuffix(b"\n").removesuffix(b"\r")
    return clean_text(head.decode("utf-8", "replace"))[:max_chars]


def clean_text(text: str) -> str:
    """`text` in one row, with every control, bidi and zero-width character made visible.

    C0 controls and DEL are shown as `cat -v` does (`^[`, `^G`, `^?`), all others become
    U+FFFD, tabs spaces up to the next stop of eight cells, any other space a space.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _DECORATION.sub("", text)
    if "\t" in text:
        text = _expand_tabs(text)
    if text.isascii():
        return text if text.isprintable() else "".join(map(_visible, text))
    return _bound_marks("".join(map(_visible, unicodedata.normalize("NFC", text))))


def _visible(char: str) -> str:
    if char.isprintable() and char not in _INVISIBLE_LETTERS:
        return char
    code = ord(char)
    if code < 0x20:
        return "^" + chr(code + 0x40)
    if code == 0x7F:
        return "^?"
    if unicodedata.category(char) == "Zs":
        return " " * max(get_character_cell_size(char), 1)
    return "\ufffd"


def _bound_marks(text: str) -> str:
    """Keep `MAX_MARKS` zero-width marks on a character, and none without one.

    Variation selectors go: terminals disagree on the width of what they select.
    """
    kept: list[str] = []
    marks = MAX_MARKS
    for char in text:
        if get_character_cell_size(char) > 0:
            marks = 0
        elif unicodedata.name(char, "").startswith("VARIATION SELECTOR"):
            continue
        else:
            marks += 1
            if marks > MAX_MARKS:
                if not kept:
                    kept.append("\ufffd")
                continue
        kept.append(char)
    return "".join(kept)


def _expand_tabs(text: str) -> str:
    column = 0
    parts: list[str] = []
    first, *rest = text.split("\t")
    parts.append(first)
    column = cell_len(first)
    for part in rest:
        gap = TAB_CELLS - column % TAB_CELLS
        parts += (" " * gap, part)
        column += gap + cell_len(part)
    return "".join(parts)
