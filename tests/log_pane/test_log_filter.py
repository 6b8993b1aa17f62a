"""What a filter keeps, what it refuses, and that no filter holds up the screen."""

from __future__ import annotations

import time

import pytest

from screens.widgets.log_filter import FilterError, FilterIndex, compile_filter
from screens.widgets.ring import NOTICE, Ring

TAILS = ["backend", "postgres"]
ERROR = b"2026-11-24 01:57:11 - main - ERROR - Health check failed in 512 ms"
INFO = b'INFO:     127.0.0.1:50590 - "GET /health HTTP/1.1" 200 OK'


@pytest.mark.parametrize(
    ("text", "error_kept", "info_kept"),
    [
        ("", True, True),
        ("HEALTH", True, True),
        ("failed", True, False),
        ("-failed", False, True),
        ('"check failed"', True, False),
        ('-"check failed"', False, True),
        ("health failed", True, False),
        ("health -failed", False, True),
        (r"/5\d\d ms/", True, False),
        (r"-/5\d\d ms/", False, True),
        (r"/get \/health/", False, True),
        ("/check failed", True, False),
        ("level:error", True, False),
        ("level:info", True, True),
        ("-level:error", False, True),
        ("LEVEL", False, False),
        ("-", True, True),
        ("/", True, True),
        ("level: failed", True, False),
        ("tail:backend", True, True),
        ("tail:postgres", False, False),
        ("-tail:postgres", True, True),
        ("tail:backend -tail:backend", False, False),
    ],
)
def test_what_is_kept(text: str, error_kept: bool, info_kept: bool) -> None:
    kept = compile_filter(text, TAILS)
    assert (kept.keeps(ERROR, 0), kept.keeps(INFO, 0)) == (error_kept, info_kept)


def test_the_selected_tail_and_the_text_both_hold() -> None:
    kept = compile_filter("failed", TAILS, only="postgres")
    assert kept.keeps(ERROR, 1)
    assert not kept.keeps(ERROR, 0)


def test_notices_are_never_filtered_away() -> None:
    assert compile_filter("nothing-has-this tail:backend", TAILS).keeps(b"dropped", NOTICE | 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/(/", r"not a regular expression: a \( is never closed"),
        (r"/(a)\1/", r"RE2 has no backreferences \\1"),
        ("/((a{1,10}){1,10}){1,10}/", "too large for each line"),
        ("level:bad", "no such level; levels are error, warn, warning, info, debug"),
        ("tail:redis", "no such tail; tails are backend, postgres"),
    ],
)
def test_a_bad_filter_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(FilterError, match=said):
        compile_filter(text, TAILS)


def test_only_the_beginning_of_a_line_is_looked_at() -> None:
    assert not compile_filter("needle", TAILS).keeps(b"x" * 5000 + b"needle", 0)


@pytest.mark.parametrize("text", [r"/(a+)+$/", r"/(.*)*!!/", r"/(a|aa)+$/", r"/x.{40}y/"])
def test_no_regular_expression_holds_up_the_screen(text: str) -> None:
    ring = Ring()
    ring.append((b"a" * 5000 + b"!\n" + b"xa" * 2500 + b"!\n") * 50, 0)
    index = FilterIndex(compile_filter(text, TAILS), 0)
    slices = []
    more = True
    while more:
        began = time.thread_time()
        more = index.advance(ring, 0.01)
        slices.append(time.thread_time() - began)
    assert index.scanned == ring.end == 100
    assert max(slices) < 0.1


def test_bytes_that_are_no_text_are_matched() -> None:
    assert compile_filter("/a.b/", TAILS).keeps(b"a\xffb", 0)


def test_an_index_grows_with_the_ring_and_forgets_with_it() -> None:
    ring = Ring(max_lines=10)
    index = FilterIndex(compile_filter("keep", TAILS), 0)
    for number in range(20):
        ring.append(b"keep %d\nleave\n" % number, 0)
        assert not index.advance(ring, 1.0)
    assert index.forget(ring.first) == 15
    assert [index[at] for at in range(len(index))] == [30, 32, 34, 36, 38]
    assert index.position(33) == 2
    assert index.position(99) == 5


def test_many_lines_are_filtered_in_slices() -> None:
    ring = Ring()
    ring.append(b"2026-11-24 01:57:11 - main - INFO - request done\n" * 50_000, 0)
    index = FilterIndex(compile_filter("level:error", TAILS), 0)
    assert index.advance(ring, 0.0)
    assert 0 < index.scanned <= 1000
    while index.advance(ring, 0.005):
        pass
    assert index.scanned == 50_000
    assert len(index) == 0
