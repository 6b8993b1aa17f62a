"""Reports of a command told apart from its output, however both are cut into chunks."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from optibid_console.engine.operating import progress_of
from optibid_console.engine.reports import ReportFilter
from optibid_console.signals import Progress

RUN = "20261124_210000-ab12-1.2c-1"


def line(report: object, run: str = RUN) -> bytes:
    return b"\x1e" + run.encode() + b" " + json.dumps(report).encode() + b"\n"


PIECES = st.one_of(
    st.binary(max_size=30).map(lambda data: (data.replace(b"\x1e", b"?"), None)),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3).map(
        lambda report: (line(report), report)
    ),
    st.just((line({"a": 1}, "another-run"), None)),
    st.just((b"\x1e" + RUN.encode() + b" not json\n", None)),
    st.just((b"\x1e", None)),
)


@given(st.lists(PIECES, max_size=12), st.integers(1, 40))
def test_reports_are_told_apart_and_every_other_byte_stays(
    pieces: list[tuple[bytes, object]], size: int
) -> None:
    data = b"".join(piece for piece, _ in pieces)
    told = ReportFilter(RUN)
    output = b"".join(told.feed(data[at : at + size]) for at in range(0, len(data), size))
    output += told.flush()
    assert output == b"".join(piece for piece, report in pieces if report is None)
    assert told.take() == [report for _, report in pieces if report is not None]
    assert told.take() == []


def test_a_line_without_an_end_is_not_held_for_ever() -> None:
    told = ReportFilter(RUN)
    begun = b"\x1e" + RUN.encode() + b" " + b"x" * 70_000
    assert told.feed(begun) == begun


def test_progress_is_read_with_care() -> None:
    said = {"done": 10, "total": 40, "unit": "bytes", "per_s": 2.5, "left_s": 12, "note": "bids"}
    assert progress_of("r", {"progress": said}) == Progress(
        "r", 10.0, 40.0, "bytes", 2.5, 12.0, "bids"
    )
    hostile = {"done": "many", "total": -1, "note": "\x1b[31m" + "x" * 999}
    told = progress_of("r", {"progress": hostile})
    assert told is not None
    assert (told.done, told.total, told.left_s) == (0.0, 0.0, None)
    assert "\x1b" not in told.note
    assert len(told.note) <= 200
    assert progress_of("r", {"artifact": {}}) is None
