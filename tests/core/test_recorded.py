"""Which last line becomes a fact."""

from __future__ import annotations

import pytest

from optibid_console.recorded import why_not_recorded
from optibid_console.runbook.model import Step

CUT = "its last line is too long, or was left out in part"


@pytest.mark.parametrize(
    ("expect", "line", "is_whole", "lost", "why_not"),
    [
        ("", "v1.2", True, "", ""),
        ("", "", True, "", "the command printed nothing"),
        ("", "", False, "", CUT),
        ("", "2", False, "", CUT),
        ("", "old r", True, "at least 9 bytes lost", "at least 9 bytes lost"),
        (r"v\d+\.\d+", "v1.2", True, "", ""),
        (r"v\d+\.\d+", "v1.2 is it", True, "", "'v1.2 is it' isn't what expect_record asks for"),
        (r"v\d+|x", "xy", True, "", "'xy' isn't what expect_record asks for"),
        (r"\d+", "\x1b[1m3", True, "", "'3' isn't what expect_record asks for"),
    ],
)
def test_a_fact_is_a_whole_line_that_matches(
    expect: str, line: str, is_whole: bool, lost: str, why_not: str
) -> None:
    step = Step("1", "Record", record="previous.release", expect_record=expect)
    said = why_not_recorded(step, line, is_whole=is_whole, lost=lost)
    assert said == (f"previous.release isn't recorded: {why_not}" if why_not else "")
