"""A wait shows the probes that it waits for while it waits, and its success as a success."""

from __future__ import annotations

import pytest

from optibid_console import entries as e
from optibid_console.runbook.model import StepKind
from optibid_console.signals import Sampled
from probes.probe import Status
from tests.screens import recording as rec
from tests.screens.conftest import Console, Start
from tests.screens.test_screen_following import amber

RUN = "run-3.2"


def waiting(*, ago_s: float = 37.0) -> rec.Recorder:
    """A window whose wait for the backend began `ago_s` seconds ago."""
    recorder = rec.migrated()
    for step_id in ("2.1c", "3.1"):
        recorder.step(step_id, 0)
    recorder.at = rec.NOW - ago_s
    recorder.add(e.StepStarted("3.2", RUN, 1, StepKind.WAIT, "", "", 1, 600.0))
    return recorder


def says(status: Status, summary: str, ago_s: float = 1.0) -> Sampled:
    return Sampled("probe", rec.reading("backend-health", status, summary, rec.NOW - ago_s))


async def finish(it: Console, recorder: rec.Recorder, outcome: e.Outcome, took_s: float) -> None:
    before = len(recorder.entries)
    recorder.at = rec.NOW
    status = Status.OK if outcome is e.Outcome.SUCCEEDED else Status.FAILING
    reading = rec.reading("backend-health", status, "200 healthy", rec.NOW)
    reason = "" if outcome is e.Outcome.SUCCEEDED else "after 600 s: backend-health failing"
    recorder.add(e.EvidenceTaken("3.2", RUN, (reading,)), actor="console")
    recorder.add(e.RunEnded(RUN, outcome, reason, duration_s=took_s), actor="console")
    recorder.add(e.StepFinished("3.2", RUN, outcome, reason, took_s), actor="console")
    it.source.push(*recorder.entries[before:])
    await it.settle()


def tones(it: Console, part: str) -> set[str]:
    """The tones of the spans of the run pane's lines in which `part` stands."""
    lines = it.app.window.run_pane.lines
    found = [span.tone for line in lines if part in line.text for span in line.spans]
    return {one for one in found if one not in ("plain", "dim")}


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_a_wait_shows_its_probes_live_wherever_it_is_seen(
    console: Start, size: tuple[int, int]
) -> None:
    async with console(waiting(), size=size) as it:
        it.source.push(says(Status.FAILING, "503 starting"))
        await it.settle()
        it.app.window.tick()  # another reading of the same status is drawn with the clock
        assert "backend /health  failing: 503 starting" in it.pane("timeline")
        await it.press("4")
        said = it.pane("run")
        assert "waits until all of these read ok, at most 10:00" in said
        assert "backend /health  failing: 503 starting" in said
        assert "0:01 ago" in said
        assert "done by hand" not in said
        it.source.push(says(Status.OK, "200 healthy", 0.0))
        await it.settle()
        assert "backend /health  ok: 200 healthy" in it.pane("run")
        await it.press("1")
        assert "backend /health  ok: 200 healthy" in it.pane("timeline")


async def test_the_sheet_of_a_wait_shows_its_probes_before_it_is_started(console: Start) -> None:
    recorder = rec.migrated()
    for step_id in ("2.1c", "3.1"):
        recorder.step(step_id, 0)
    async with console(recorder) as it:
        await it.press("enter")
        assert "Waits until all of these read ok. Runs no command" in it.sheet()
        assert "backend /health  failing: status" in it.sheet()
        it.source.push(says(Status.OK, "200 healthy", 0.0))
        await it.settle()
        assert "backend /health  ok: 200 healthy" in it.sheet()


async def test_an_ok_from_before_the_wait_does_not_look_met(console: Start) -> None:
    async with console(waiting(ago_s=2.0)) as it:
        it.source.push(says(Status.OK, "200 healthy", 4.0))
        await it.settle()
        assert "○ backend /health  read before the wait: 200 healthy" in it.pane("run")


async def test_a_wait_that_succeeded_is_green_and_says_what_was_met(console: Start) -> None:
    recorder = waiting()
    async with console(recorder) as it:
        assert "waiting" in it.app.window.run_pane.title(rec.NOW)
        await finish(it, recorder, e.Outcome.SUCCEEDED, 37.0)
        said = it.pane("run")
        assert "✓ met after 0:37 of 1:00" in said
        assert "✓ evidence backend-health: 200 healthy" in said
        assert "✓ step 3.2 succeeded" in said
        assert tones(it, "met after") == {"ok"}
        assert not any(
            span.tone == "failing" for line in it.app.window.run_pane.lines for span in line.spans
        )


async def test_a_wait_over_its_estimate_is_amber_while_it_waits_and_after(console: Start) -> None:
    recorder = waiting(ago_s=97.0)
    async with console(recorder) as it:
        assert "1:37/1:00 over" in it.pane("timeline")
        assert amber(it, "run") == "over 1:00"
        await finish(it, recorder, e.Outcome.SUCCEEDED, 97.0)
        assert "✓ met after 1:37 of 1:00, longer than expected" in it.pane("run")
        assert tones(it, "met after") == {"ok", "warn"}


async def test_a_wait_that_ran_out_is_red_and_says_why(console: Start) -> None:
    recorder = waiting()
    async with console(recorder) as it:
        await finish(it, recorder, e.Outcome.TIMED_OUT, 600.0)
        assert "after 600 s: backend-health failing" in it.pane("run")
        assert "failing" in tones(it, "after 10:00")
