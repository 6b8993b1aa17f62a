"""Lines of text: cut, wrapped and put beside each other, never wider than their pane."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from screens.lines import Segment, Span, cut, fit_segments, row, spans, wrapped


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("rollback", 8, "rollback"),
        ("rollback", 7, "rollba…"),
        ("rollback", 1, "…"),
        ("rollback", 0, ""),
        ("日本語テスト", 7, "日本語…"),
        ("日本語テスト", 6, "日本…"),
    ],
)
def test_a_cut_text_says_that_there_is_more(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


@given(st.text(max_size=60), st.text(max_size=30), st.integers(1, 70))
def test_a_row_never_is_wider_than_its_pane(left: str, right: str, width: int) -> None:
    line = row(width, spans(Span("✓ "), left), spans(right))
    assert cell_len(line.text) <= width
    assert "\n" not in line.text
    assert "\x1b" not in line.text


@given(st.text(max_size=200), st.integers(10, 60))
def test_a_wrapped_paragraph_fits(text: str, width: int) -> None:
    assert all(cell_len(line.text) <= width for line in wrapped(text, width, indent="  "))


def test_wrapping_loses_no_word() -> None:
    text = "the quick brown fox " + "x" * 50 + " jumps"
    joined = "".join(line.text for line in wrapped(text, 20))
    assert joined.replace(" ", "") == text.replace(" ", "")


def test_what_follows_a_cut_piece_is_announced() -> None:
    line = row(10, spans("12345", "67890", "more"))
    assert line.text == "123456789…"


def test_the_least_important_segment_is_shortened_first_and_left_out_last() -> None:
    keep = Segment((spans("keep me"),), 0)
    long = Segment((spans("long words"), spans("short"), ()), 5)
    other = Segment((spans("other words"), spans("other"), ()), 3)
    assert fit_segments([keep, long, other], 40).text == "keep me  long words  other words"
    assert fit_segments([keep, long, other], 28).text == "keep me  short  other words"
    assert fit_segments([keep, long, other], 22).text == "keep me  short  other"
    assert fit_segments([keep, long, other], 15).text == "keep me  other"
    assert fit_segments([keep, long, other], 5).text == "keep…"
