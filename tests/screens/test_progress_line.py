"""How far a run has come, and what it made: lines that fit and say what is known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from optibid_console import entries as e
from optibid_console.runbook.operations import summarised
from optibid_console.runbook.summary import summary
from optibid_console.signals import Progress
from optibid_console.state import Artifact
from screens.artifact_lines import artifact_facts, set_facts
from screens.glyphs import use_ascii
from screens.progress_line import bar, percent, progress_line
from screens.view import Topic, View

PART = Progress("r", 1.2e9, 3.4e9, "bytes", 84e6, 26, "3 of 12 tables: public.bids")


@pytest.fixture(autouse=True)
def glyphs() -> Iterator[None]:
    use_ascii(False)
    yield
    use_ascii(False)


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (PART, "1.2 GB of ~3.4 GB · 84 MB/s · ~26 s left · 3 of 12 tables: public.bids"),
        (Progress("r", 5e8, 0, "bytes", 8e6, None, "2 tables"), "500 MB · 8 MB/s · 2 tables"),
        (Progress("r", 9, 9, "bytes", 0, 0, "reading it back"), "9 B · reading it back"),
        (Progress("r", 3, 0, "tables"), "3 tables"),
        (Progress("r", 1e9, 9e9, "bytes", 1e6, 7200), "1 GB of ~9 GB · 1 MB/s · ~2:00:00 left"),
        (Progress("r", 0, 9e9), "0 B of ~9 GB"),
    ],
)
def test_a_line_says_what_is_known(progress: Progress, said: str) -> None:
    assert progress_line(progress, 120).text.lstrip("█▏▎▍▌▋▊▉░ ") == said


@pytest.mark.parametrize("only_ascii", [False, True])
@pytest.mark.parametrize("width", [10, 24, 39, 60, 78, 120])
def test_it_fits_and_what_is_cut_has_its_sign(width: int, only_ascii: bool) -> None:
    use_ascii(only_ascii)
    text = progress_line(PART, width).text
    assert len(text) <= width
    assert text.endswith(("public.bids", "..." if only_ascii else "…"))
    assert text.isascii() or not only_ascii


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, "░░░░"), (0.5, "██░░"), (0.3, "█▏░░"), (1, "████")]
)
def test_a_bar_is_filled_to_an_eighth(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


def test_a_bar_in_ascii() -> None:
    use_ascii(True)
    assert bar(0.5, 8) == "[###...]"


def test_a_share_is_a_percentage_only_where_the_whole_is_known() -> None:
    assert percent(PART) == "35 %"
    assert percent(Progress("r", 5)) == ""
    assert percent(Progress("r", 11, 10)) == "100 %"
    assert percent(Progress("r", 10, 10, note="reading it back")) == "reading it back"
    assert percent(Progress("r", 10, 10, note="restoring it into a scratch database")) == ""


def test_progress_is_kept_while_the_step_runs() -> None:
    view = View()
    assert Topic.RUN in view.take(PART)
    assert view.progress["r"] is PART
    finished = e.StepFinished("1.2a", "r", e.Outcome.SUCCEEDED)
    view.take(e.Entry(1, 0.0, 0.0, "console", finished, "", ""))
    assert not view.progress


@pytest.mark.parametrize("said", ["dump it", 'of "a" at $HOME\\x', "`id` $(id)"])
def test_a_command_says_what_it_does(said: str) -> None:
    text = "\n".join((*summarised([said, "then\nmore"]), "pg_dump", ': "not the head"'))
    assert summary(text) == (said, "then more")
    assert summary("pg_dump\n" + text) == ()


def test_an_artifact_is_told_with_all_that_was_verified() -> None:
    made = e.ArtifactRecorded(
        "optibid", "database", "db-1", "/srv/a.dump", 1_234_567, "ab" * 32, ("read back",),
        {"taken_at": "2026-11-24T20:05:11Z", "wal_lsn": "0/19", "format": "custom"},
    )  # fmt: skip
    told = {name: text for name, text, _ in artifact_facts(Artifact(made, "ann", 0.0))}
    assert told == {
        "artifact": "db-1:/srv/a.dump",
        "size": "1.2 MB (1,234,567 bytes)",
        "sha256": "ab" * 32,
        "verified": "✓ read back",
        "of": "2026-11-24T20:05:11Z",
        "WAL": "0/19",
        "recorded": "00:00:00Z by ann",
    }
    assert [text for _, text, _ in set_facts([Artifact(made, "ann", 0.0)])] == [
        "database optibid: /srv/a.dump, 1.2 MB"
    ]
