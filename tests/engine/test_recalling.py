"""Which ended runs a new engine tells the output of again."""

from __future__ import annotations

from optibid_console.engine.recalling import MOST_BYTES, RUNS, told_again
from optibid_console.entries import Outcome, RunEnded
from optibid_console.state import RunState


def run(run_id: str, output_bytes: int | None) -> RunState:
    """A run that has printed so much; None: it hasn't ended."""
    ended = None
    if output_bytes is not None:
        ended = RunEnded(run_id, Outcome.SUCCEEDED, "exit 0", 0, "", 1.0, output_bytes, ())
    return RunState(run_id, "1", "1", "app-1", "true", 0.0, "ann", 1, 60.0, "run", ended=ended)


def told(*runs: RunState) -> list[str]:
    return [one.run_id for one in told_again({one.run_id: one for one in runs})]


def test_the_last_runs_that_ended_and_printed_are_told_again_in_their_order() -> None:
    many = [run(f"r{number}", 10) for number in range(RUNS + 2)]
    assert told(*many) == [f"r{number}" for number in range(2, RUNS + 2)]
    assert told(run("silent", 0), run("printed", 1), run("still running", None)) == ["printed"]


def test_a_long_output_stays_on_its_target() -> None:
    assert told(run("fits", MOST_BYTES), run("long", MOST_BYTES + 1)) == ["fits"]
