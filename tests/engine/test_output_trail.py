"""What a run prints, on its way to the screens."""

from __future__ import annotations

from optibid_console.engine.output import OutputTrail
from optibid_console.runbook.secrets import Secrets
from optibid_console.signals import Output
from optibid_console.targets.streams import Stream
from optibid_console.targets.target import OutputChunk

SECRET = "hunter2-hunter2"
OUT, ERR = Stream.STDOUT, Stream.STDERR


def told(*chunks: OutputChunk) -> tuple[OutputTrail, list[Output]]:
    trail = OutputTrail("r-1", Secrets({"PASSWORD": SECRET}).redactor)
    signals = [signal for chunk in chunks for signal in trail.take(chunk)]
    return trail, [*signals, *trail.end()]


def test_each_stream_is_named_and_offsets_count_what_was_told() -> None:
    _, signals = told(OutputChunk(0, b"one\n", OUT), OutputChunk(40, b"two\n", ERR, resume=80))
    assert signals == [Output("r-1", 0, b"one\n", "stdout"), Output("r-1", 4, b"two\n", "stderr")]


def test_a_secret_that_the_other_stream_interrupts_is_redacted() -> None:
    _, signals = told(
        OutputChunk(0, b"password hunter2-", OUT),
        OutputChunk(50, b"and hunter2", ERR, resume=90),
        OutputChunk(90, b"hunter2 it is\n", OUT),
        OutputChunk(104, b"-hunter2 again\n", ERR, resume=140),
    )
    of = {stream: b"".join(one.data for one in signals if one.stream == stream)
          for stream in (OUT, ERR)}  # fmt: skip
    assert of == {OUT: b"password [REDACTED] it is\n", ERR: b"and [REDACTED] again\n"}
    assert [one.offset for one in signals] == [
        sum(len(one.data) for one in signals[:at]) for at in range(len(signals))
    ]


def test_what_was_left_out_is_said_and_following_goes_on_behind_it() -> None:
    trail, signals = told(
        OutputChunk(0, b"head", OUT), OutputChunk(2_004, b"tail\n", OUT, left_out=2_000)
    )
    assert b"".join(one.data for one in signals) == (
        "head\n[… 2,000 bytes left out …]\ntail\n".encode()
    )
    assert trail.received == 2_009


def test_a_fact_is_recorded_from_stdout_alone_where_stderr_is_told_apart() -> None:
    trail, _ = told(OutputChunk(0, b"v1.2\n", OUT), OutputChunk(5, b"a warning\n", ERR, resume=50))
    assert trail.last_line() == "v1.2"
    assert trail.last_lines() == ("v1.2", "a warning")


def test_a_fact_is_recorded_from_everything_where_nobody_can_tell() -> None:
    trail, _ = told(OutputChunk(0, b"v1.2\na warning\n\n"))
    assert trail.last_line() == "a warning"


def test_a_notice_is_no_fact() -> None:
    trail, _ = told(OutputChunk(0, b"/srv/backup.dump\n"))
    assert [one.data for one in trail.notice("the end is lost")] == [
        "\n[… the end is lost …]\n".encode()
    ]
    assert trail.last_line() == "/srv/backup.dump"


def test_a_line_of_which_the_beginning_is_not_there_is_not_whole() -> None:
    for chunks in (
        [OutputChunk(0, b"first\n" + b"x" * 9_000 + b"\n")],
        [OutputChunk(0, b"new"), OutputChunk(9, b"old r\n", left_out=6)],
    ):
        trail, _ = told(*chunks)
        assert not trail.last_line_is_whole
        assert trail.last_line()


def test_the_line_after_one_that_was_cut_is_whole() -> None:
    trail, _ = told(OutputChunk(0, b"x" * 9_000), OutputChunk(9_100, b"tail\nv1.2\n", left_out=100))
    assert (trail.last_line(), trail.last_line_is_whole) == ("v1.2", True)


def test_only_an_end_of_line_ends_a_line() -> None:
    trail, _ = told(OutputChunk(0, "a\u2028b\x0bc\n".encode()))
    assert trail.last_line() == "a\u2028b\x0bc"
