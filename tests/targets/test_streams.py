"""Marks around stderr, however the output is cut into chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optibid_console.targets.streams import Piece, Splitter, Stream, mark_of


def framed(data: bytes, run_id: str = "r") -> bytes:
    word = mark_of(run_id).encode()
    return b"\x0e" + word + b"\x02" + data + b"\x03" + word + b"\x0f"


def joined(pieces: list[Piece]) -> list[tuple[Stream, bytes]]:
    """Neighbours of one stream as one."""
    out: list[tuple[Stream, bytes]] = []
    for piece in pieces:
        if out and out[-1][0] is piece.stream:
            out[-1] = (piece.stream, out[-1][1] + piece.data)
        else:
            out.append((piece.stream, piece.data))
    return out


@given(
    written=st.lists(
        st.tuples(st.booleans(), st.binary(min_size=1, max_size=40)), min_size=1, max_size=8
    ),
    cut=st.integers(1, 30),
)
def test_any_cutting_gives_the_same_streams(written: list[tuple[bool, bytes]], cut: int) -> None:
    raw = b"".join(framed(data) if to_stderr else data for to_stderr, data in written)
    splitter = Splitter("r")
    pieces = [
        piece for at in range(0, len(raw), cut) for piece in splitter.feed(raw[at : at + cut])
    ]
    pieces += splitter.rest()
    wanted = [
        Piece(Stream.STDERR if to_stderr else Stream.STDOUT, data, 0) for to_stderr, data in written
    ]
    assert joined(pieces) == joined(wanted)
    assert pieces[-1].end == len(raw)


def test_every_end_is_a_place_to_go_on_from() -> None:
    raw = b"out" + framed(b"err") + b"more"
    pieces = list(Splitter("r").feed(raw))
    for index, piece in enumerate(pieces):
        rest = list(Splitter("r", piece.end).feed(raw[piece.end :]))
        assert rest == pieces[index + 1 :]


def test_marks_of_another_run_are_output() -> None:
    raw = framed(b"x", "another")
    assert joined(list(Splitter("r").feed(raw))) == [(Stream.STDOUT, raw)]


@pytest.mark.parametrize("lost", ["beginning", "end"])
def test_a_piece_that_lost_its_beginning_or_end_leaves_no_mark(lost: str) -> None:
    frame = framed(b"text")
    raw = frame[15:] + b"y" if lost == "beginning" else frame[:-14] + b"y" * 5000
    splitter = Splitter("r")
    pieces = [*splitter.feed(raw), *splitter.rest()]
    assert mark_of("r").encode() not in b"".join(one.data for one in pieces)
    assert pieces[-1].data.endswith(b"y")
