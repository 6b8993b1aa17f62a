"""Durations and offsets as people write them."""

from __future__ import annotations

import pytest

from optibid_console.runbook.durations import parse_duration, parse_offset


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("5s", 5), ("1.5s", 1.5), ("2m30s", 150), ("10m", 600), ("1h", 3600),
     ("1h30m", 5400), ("1d", 86400), ("1m500ms", 60.5), ("0", 0), ("0s", 0)],
)  # fmt: skip
def test_a_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [("5", "needs a unit"), ("1.5", "needs a unit"), ("-5s", "can't be negative"),
     ("", "not a duration"), ("s", "not a duration"), ("5 s", "not a duration"),
     ("5s2m", "not a duration"), ("5sec", "not a duration"), ("1e3s", "not a duration"),
     ("٥s", "not a duration"), ("9" * 400 + "h", "longer than a year"), ("5s\n", "not a")],
)  # fmt: skip
def test_what_is_not_a_duration(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("T-45m", -2700), ("T+0", 0), ("T-0", 0), ("T", 0), ("T+1h", 3600), ("T-1h30m", -5400)],
)
def test_an_offset(text: str, seconds: float) -> None:
    assert parse_offset(text) == seconds
    assert str(parse_offset(text))[:2] != "-0"


@pytest.mark.parametrize("text", ["45m", "-45m", "T45m", "T--45m", "T-45", "t-45m", "T- 45m", ""])
def test_what_is_not_an_offset(text: str) -> None:
    with pytest.raises(ValueError, match="not an offset from T-0"):
        parse_offset(text)
