"""Sizes as people write them."""

from __future__ import annotations

import pytest

from optibid_console.runbook.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("64MB", 64_000_000), ("512KiB", 524_288), ("1.5GiB", 1_610_612_736), ("4096B", 4096),
     ("10 kB", 10_000), ("0B", 0)],
)  # fmt: skip
def test_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [("64", "needs a unit"), ("", "not a size"), ("MB", "not a size"), ("-1MB", "not a size"),
     ("1e3MB", "not a size"), ("64mb", "not a size"), ("2000GB", "larger than 1 TiB"),
     ("9" * 400 + "MB", "not a size"), ("1iB", "not a size")],
)  # fmt: skip
def test_what_is_not_a_size(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_size(text)
