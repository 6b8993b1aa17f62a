"""A run's output: what came on stderr and what the console itself says, told apart from it."""

from __future__ import annotations

import pytest

from optibid_console.signals import NOTICE, Output
from screens.run_output import RunOutput
from screens.widgets.run_pane import OutputLines
from tests.screens import recording as rec
from tests.screens.conftest import Start


def told(*pieces: tuple[str, bytes]) -> RunOutput:
    output = RunOutput()
    for stream, data in pieces:
        output.add(output.next_offset, data, stream)
    return output


def drawn(output: RunOutput, width: int = 40) -> list[tuple[str, str, str]]:
    lines = OutputLines(output, [], [], width)
    return [(line.spans[0].text, line.spans[1].text, line.spans[1].tone) for line in lines]


def test_stderr_has_a_sign_and_a_colour_of_its_own() -> None:
    output = told(("stdout", b"one\n"), ("stderr", b"oh no\n"), ("stdout", b"two\n"))
    assert drawn(output) == [
        (" ", "one", "plain"), ("┃", "oh no", "warn"), (" ", "two", "plain")
    ]  # fmt: skip


def test_where_nobody_tells_them_apart_nothing_is_marked() -> None:
    assert drawn(told(("output", b"oh no\n"))) == [(" ", "oh no", "plain")]


def test_a_line_ends_where_the_other_stream_begins() -> None:
    output = told(("stdout", b"migrating"), ("stderr", b"slow"), ("stdout", b" done\n"))
    assert [(output.stream(i), output[i]) for i in range(len(output))] == [
        ("output", b"migrating"), ("stderr", b"slow"), ("output", b" done")
    ]  # fmt: skip


def test_what_the_console_says_cannot_be_printed_by_a_command() -> None:
    said = "\n[… 9 bytes left out …]\n".encode()
    output = told(
        ("stdout", b"a\n"), (NOTICE, said), ("stdout", "╌[… 9 bytes left out …]\n".encode())
    )
    assert drawn(output) == [
        (" ", "a", "plain"),
        ("╌", "[… 9 bytes left out …]", "accent"),
        (" ", "╌[… 9 bytes left out …]", "plain"),
    ]


def test_a_gap_is_said_in_the_consoles_own_words() -> None:
    output = told(("stdout", b"a"))
    output.add(11, b"b\n", "stdout")
    assert drawn(output)[1] == ("╌", "[10 bytes of output were not received]", "accent")


def test_streams_of_dropped_lines_are_dropped_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screens.run_output.MAX_LINES", 2)
    output = told(("stderr", b"a\nb\n"), ("stdout", b"c\n"))
    assert [output.stream(i) for i in range(len(output))] == ["stderr", "output"]


async def test_the_run_pane_shows_it_and_the_help_says_what_it_means(console: Start) -> None:
    recorder = rec.good_day()
    async with console(recorder) as it:
        at = it.app.view.outputs[rec.list_runs(recorder)[-1]].next_offset
        it.source.push(Output(rec.list_runs(recorder)[-1], at, b"psql: oh no\n", "stderr"))
        await it.settle()
        assert "┃psql: oh no" in it.pane("run")
        await it.press("4", "question_mark")
        assert any("┃ stderr in a run's output" in one for one in it.sheet_lines())
