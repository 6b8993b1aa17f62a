"""The contract between a step's run and what the console knows about what it does."""

from __future__ import annotations

from typing import Protocol

from optibid_console.engine.live_run import LiveRun
from optibid_console.engine.reports import Report
from optibid_console.entries import Outcome


class Operation(Protocol):
    """One kind of step that the console judges by more than its exit status.

    All of it may happen again after an engine's restart: what `after` needs from before the
    run is in the journal, and what it records a second time must do no harm.
    """

    async def before(self, live: LiveRun) -> str:
        """Read what has to be known before it starts; gives why it must not start, or nothing.

        Nothing was launched yet. It has to come back within seconds, also when the database
        doesn't answer.
        """

    async def during(self, live: LiveRun) -> None:
        """Watch while it runs, until cancelled."""

    def report(self, live: LiveRun, report: Report) -> None:
        """The command reports something that is no progress."""

    async def after(self, live: LiveRun, outcome: Outcome, reason: str) -> tuple[Outcome, str]:
        """Judge what was really done, and record it: the step's outcome and its reason.

        `outcome` is the run's; whatever it is, what was left behind has to be said.
        """
