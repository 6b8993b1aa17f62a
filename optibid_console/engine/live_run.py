"""A step under way in this engine, and what its end means."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from optibid_console import entries as e
from optibid_console.engine.clocks import now
from optibid_console.engine.output import OutputTrail
from optibid_console.engine.reports import Report
from optibid_console.moment import Moment
from optibid_console.recorded import why_not_recorded
from optibid_console.runbook.model import Step
from optibid_console.targets.target import Ending, RunEnd, RunSpec


@dataclass(slots=True)
class LiveRun:
    """A step under way in this engine."""

    step: Step
    run_id: str
    began: Moment
    spec: RunSpec
    trail: OutputTrail
    sent: bool = False
    """Whether a launch may have reached the target."""
    launched: bool = False
    """Whether the target has said, to this engine or to one before it, that it has it."""
    unreachable: bool = False
    stuck: bool = False
    """Whether a session gave nothing of its output although it has ended."""
    aborted_by: str = ""
    ending: bool = False
    """Whether its target is asked to end it."""
    timed_out: bool = False
    """Whether it was ended because its time was over."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its target has said that it has it."""
    lost: str = ""
    """What is lost of its output and why, in words; empty when all of it was read."""
    ended: e.RunEnded | None = None
    """The end that an earlier engine recorded, without the step's outcome."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it has to end: aborted or out of time."""
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a person confirmed a manual step."""
    note: str = ""
    reports: list[Report] = field(default_factory=list)
    """What its command has reported that is no progress, in order."""

    def left_s(self) -> float:
        """How much of its time is left, in seconds."""
        return self.spec.timeout_s - self.took_s()

    def took_s(self) -> float:
        """For how long it has been under way, in seconds; no jump of the wall clock counts."""
        return now().since(self.began)


_NOT_ENDED = {
    Ending.RUNNING: "still runs it: it couldn't be ended",
    Ending.UNANSWERED: "doesn't answer: nobody knows whether it still runs",
}


def _why_to_end(live: LiveRun) -> str:
    if live.aborted_by:
        return f"aborted by {live.aborted_by}"
    return f"its {live.spec.timeout_s:g} s are over"


def judged(live: LiveRun, end: RunEnd) -> tuple[e.Outcome, str]:
    """Returns the outcome of a command and the reason for it: its exit status, and the line of its
    output that says why it failed. An operator's abort is never overwritten by a late result, and
    never claimed to be done where nobody knows."""
    if end.ending in _NOT_ENDED:
        how_it_is = f"{live.step.on} {_NOT_ENDED[end.ending]}"
        return e.Outcome.UNKNOWN, f"{_why_to_end(live)}, but {how_it_is}"
    if live.aborted_by:
        return e.Outcome.ABORTED, f"by {live.aborted_by}"
    if live.timed_out:
        return e.Outcome.TIMED_OUT, f"after {live.spec.timeout_s:g} s"
    if end.ending is Ending.EXITED and end.exit_status == 0:
        return e.Outcome.SUCCEEDED, "exit 0"
    if end.ending is Ending.EXITED:
        cause = live.trail.cause()
        how = f"exit {end.exit_status}"
        return e.Outcome.FAILED, f"{how}: {cause}" if cause else how
    if end.ending is Ending.SIGNALLED:
        return e.Outcome.FAILED, f"killed by {end.signal}"
    if end.ending is Ending.REBOOTED:
        return e.Outcome.FAILED, f"{live.step.on} rebooted while it ran"
    if end.ending is Ending.NEVER:
        return e.Outcome.UNKNOWN, f"it is gone from {live.step.on}: nobody knows how it ended"
    return e.Outcome.UNKNOWN, f"it is gone from {live.step.on} without an exit status"


def why_no_fact(live: LiveRun) -> str:
    """Why the run's last line can't be recorded; empty when it can."""
    trail = live.trail
    return why_not_recorded(
        live.step, trail.last_line(), is_whole=trail.last_line_is_whole, lost=live.lost
    )
