"""Judging values, and making foreign text safe: tables."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.expectation import MISSING, Finding, at_path, by_path, judge, problems, summarise
from probes.probe import Status
from probes.text import one_line


@pytest.mark.parametrize(
    ("expected", "found", "met"),
    [
        ("healthy", "healthy", True),
        ("healthy", "Healthy", False),
        (1, True, False),
        (True, 1, False),
        (1, 1.0, True),
        (200, "200", False),
        ({"one_of": ["a", "b"]}, "b", True),
        ({"one_of": [1, 2]}, True, False),
        ({"at_least": 5}, 5, True),
        ({"at_least": 5}, Decimal("4.9"), False),
        ({"at_least": 5, "at_most": 6}, 7, False),
        ({"at_least": 0}, "7", False),
        ({"at_least": 0}, float("nan"), False),
        ({"at_most": 0}, False, False),
        ({"at_most": 0}, MISSING, False),
        ({"at_most": 10}, 10**400, False),
        ({"matches": "^v2"}, "v2.4", True),
        ({"matches": "1"}, 215, True),
        ({"matches": ""}, MISSING, False),
        ({"exists": True}, None, True),
        ({"exists": False}, MISSING, True),
        ({"exists": False}, 0, False),
        ({"other": 1}, {"other": 1}, True),
        ({}, {}, True),
        (None, MISSING, False),
    ],
)
def test_conditions(expected, found, met):
    assert judge("x", expected, found).status is (Status.OK if met else Status.FAILING)


def test_paths_reach_into_tables_and_lists():
    document = {"a": {"b": [10, {"c": 1}]}}
    assert at_path(document, "a.b.1.c") == 1
    assert at_path(document, "a.b.2") is MISSING
    assert at_path(document, "a.b.x") is MISSING
    assert at_path("text", "0") is MISSING
    nested = {"a": {"b": 1, "c": {"at_least": 2}}, "d.e": 3}
    assert list(by_path(nested)) == [("a.b", 1), ("a.c", {"at_least": 2}), ("d.e", 3)]


@pytest.mark.parametrize(
    "wrong",
    [{"one_of": "abc"}, {"at_least": "3"}, {"at_most": True}, {"matches": "("}, {"exists": 1}],
)
def test_wrong_expectations_are_told(wrong):
    assert len(list(problems(wrong))) == 1


def test_a_summary_leads_with_the_worst():
    warn = Finding(Status.WARN, "latency", "at most 5 ms", "9 ms")
    failing = Finding(Status.FAILING, "status", '"healthy"', '"error"')
    assert summarise([], "fine").text == "fine"
    assert summarise([warn], "fine").status is Status.WARN
    worst = summarise([warn, failing, failing], "fine")
    assert worst.status is Status.FAILING
    assert worst.text == 'status "error", expected "healthy" (+1 more)'


@pytest.mark.parametrize(
    ("foreign", "safe"),
    [
        ("a\r\nb\tc", "a b c"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x9b31mred", "red"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("bell\x07", "bell"),
        ("\u202egnp.exe\u200b", "gnp.exe"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("x" * 200, "x" * 19 + "…"),
        ("", ""),
    ],
)
def test_foreign_text_becomes_one_safe_line(foreign, safe):
    assert one_line(foreign, 20) == safe


@given(st.text() | st.binary(), st.integers(1, 200))
def test_one_line_always_holds_its_promise(foreign, limit):
    line = one_line(foreign, limit)
    assert len(line) <= limit
    assert all(ord(letter) >= 0x20 and not 0x7F <= ord(letter) <= 0x9F for letter in line)
    assert len(line.splitlines()) <= 1
