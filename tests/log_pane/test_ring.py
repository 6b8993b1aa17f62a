"""The ring keeps the newest lines, numbers them for ever and says what it forgot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screens.widgets import ring as ring_module
from screens.widgets.ring import Ring

BATCHES = st.lists(
    st.tuples(st.integers(0, 3), st.lists(st.binary(max_size=9), min_size=1, max_size=9)),
    max_size=30,
)


@given(BATCHES, st.integers(1, 40))
def test_it_holds_exactly_the_newest_lines(
    batches: list[tuple[int, list[bytes]]], max_lines: int
) -> None:
    ring, everything = Ring(max_lines=max_lines), []
    for tail, lines in batches:
        lines = [line.replace(b"\n", b"") for line in lines]
        assert ring.append(b"\n".join(lines) + b"\n", tail) == len(lines)
        everything += [(tail, line) for line in lines]
    assert ring.end == len(everything)
    assert len(ring) == min(len(everything), max_lines)
    held = [(line.tail, line.raw) for line in ring.lines(0, ring.end)]
    assert held == everything[ring.first :]
    for number in range(ring.first, ring.end):
        assert (ring.line(number).tail, ring.line(number).raw) == everything[number]


@given(BATCHES)
def test_blocks_and_lines_agree(batches: list[tuple[int, list[bytes]]]) -> None:
    ring = Ring(max_lines=50)
    for tail, lines in batches:
        ring.append(b"\n".join(line.replace(b"\n", b"") for line in lines) + b"\n", tail)
    flat = [
        (first + at, tag, raw)
        for first, raws, tags in ring.blocks(0, ring.end)
        for at, (raw, tag) in enumerate(zip(raws, tags, strict=True))
    ]
    assert flat == [(line.number, line.tail, line.raw) for line in ring.lines(0, ring.end)]


def test_memory_is_bounded_by_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "_CHUNK_BYTES", 1000)
    ring = Ring(max_lines=10_000, max_bytes=20_000)
    for _ in range(200):
        ring.append(b"x" * 499 + b"\n", 0)
        assert ring.size_bytes <= 21_000
    assert ring.first > 0
    assert ring.line(ring.end - 1).raw == b"x" * 499


def test_chunks_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "_CHUNK_BYTES", 1000)
    ring = Ring(max_lines=10)
    for _ in range(500):
        ring.append(b"y" * 99 + b"\n", 0)
    assert ring.size_bytes <= 3000
    assert len(ring._chunks) <= 3


def test_a_forgotten_line_is_an_error_that_says_which_are_held() -> None:
    ring = Ring(max_lines=3)
    ring.append(b"a\nb\nc\nd\n", 0)
    with pytest.raises(IndexError, match="line 0 is not held: 1 to 3 are"):
        ring.line(0)


def test_a_missing_last_line_end_is_added() -> None:
    ring = Ring()
    assert ring.append(b"a\nb", 0) == 2
    ring.append(b"c\n", 0)
    assert [line.raw for line in ring.lines(0, 9)] == [b"a", b"b", b"c"]


def test_lines_read_before_more_came_stay_the_same() -> None:
    ring = Ring()
    ring.append(b"first\n", 0)
    assert ring.line(0).raw == b"first"
    ring.append(b"second\n\nfourth\n", 1)
    assert [line.raw for line in ring.lines(0, 9)] == [b"first", b"second", b"", b"fourth"]


def test_a_batch_larger_than_the_ring_keeps_its_newest_lines() -> None:
    ring = Ring(max_bytes=100)
    ring.append(b"old\n", 0)
    ring.append(b"".join(b"%09d\n" % number for number in range(50)), 0)
    assert ring.end == 51
    assert ring.line(50).raw == b"000000049"
    assert ring.size_bytes <= 100
    assert ring.cut_bytes == 0


def test_a_line_larger_than_the_ring_is_cut_and_counted() -> None:
    ring = Ring(max_bytes=1000)
    assert ring.append(b"z" * 5000 + b"\n", 0) == 1
    assert len(ring.line(0).raw) == 1000
    assert ring.cut_bytes == 4001
    assert ring.append(b"next\n", 0) == 1
    assert ring.line(1).raw == b"next"


def test_only_the_pane_makes_notices() -> None:
    ring = Ring()
    ring.append(b"-- 5 lines were dropped --\n", 3)
    ring.append(b"5 lines were dropped", 3, notice=True)
    assert [(line.notice, line.tail) for line in ring.lines(0, 9)] == [(False, 3), (True, 3)]


@pytest.mark.parametrize("tail", [-1, 128])
def test_a_tail_index_that_has_no_room_is_refused(tail: int) -> None:
    with pytest.raises(ValueError, match="tail index"):
        Ring().append(b"x\n", tail)


def test_lines_know_to_the_second_when_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "_CHUNK_BYTES", 8)
    ring = Ring(max_lines=5)
    ring.append(b"a\nb\n", 0, at=100.2)
    ring.append(b"c\n", 0, at=100.9)
    ring.append(b"d\n", 1, at=102.0)
    ring.append(b"e\n", 0)
    ring.append(b"f\n", 0, at=103.0)
    assert [int(one.at) for one in ring.lines(0, ring.end)] == [100, 100, 102, 0, 103]
    assert [int(ring.line(number).at) for number in range(1, 6)] == [100, 100, 102, 0, 103]
