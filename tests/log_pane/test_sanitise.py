"""Nothing that a terminal would act on gets through, and nothing is hidden."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len, get_character_cell_size

from screens.sanitise import MAX_MARKS, clean, clean_text

ACTIVE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

PIECES = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [b"\x1b[31m", b"\x1b[2J", b"\x1b]0;t\x07", b"\x9b2J", b"\xc2\x9b2J", b"\t", b"\r", b"\x1b"]
    ),
    st.sampled_from(["\u202e", "\u200b", "\u2066", "\u0301" * 9, "漢", "\u2028"]).map(str.encode),
)


@given(st.lists(PIECES, max_size=12).map(b"".join), st.integers(0, 80))
def test_no_control_character_survives(raw: bytes, max_chars: int) -> None:
    shown = clean(raw, max_chars)
    assert len(shown) <= max_chars
    assert not {char for char in shown if unicodedata.category(char) in ACTIVE}


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(st.text())
def test_marks_are_bounded(text: str) -> None:
    run = 0
    for char in clean_text(text):
        run = run + 1 if get_character_cell_size(char) == 0 else 0
        assert run <= MAX_MARKS


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain\r\n", "plain"),
        (b"\x1b[1;31mERROR\x1b[0m x\x1b[K", "ERROR x"),
        (b"\x1b[2Jgone", "^[[2Jgone"),
        (b"\x1b]0;title\x07", "^[]0;title^G"),
        (b"\x1b]52;c;AAAA\x1b\\", "^[]52;c;AAAA^[\\"),
        (b"50%\r100%", "50%^M100%"),
        (b"\x9b31m", "�31m"),
        (b"\xc2\x9b31m", "�31m"),
        (b"a\x00b\x7f", "a^@b^?"),
        ("safe\u202eevil".encode(), "safe�evil"),
        ("a\u200bb".encode(), "a�b"),
        (b"\xff\xfe", "��"),
        (b"a\tb", "a       b"),
        ("漢\tb".encode(), "漢      b"),
        ("a\u00a0b\u3000c".encode(), "a b  c"),
        ("\u0301x".encode(), "�x"),
        ("e\u0301".encode(), "é"),
        (b"[@click=app.rollback]x[/]", "[@click=app.rollback]x[/]"),
    ],
)
def test_what_is_shown(raw: bytes, shown: str) -> None:
    assert clean(raw, 100) == shown


def test_tabs_stop_every_eight_cells() -> None:
    assert cell_len(clean_text("漢字\t|")) == 9


def test_a_huge_line_costs_no_more_than_its_visible_part() -> None:
    raw = b"x" * 1_000_000
    assert clean(raw, 160) == "x" * 160
