"""Runs without a known end: their targets are asked again, now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from optibid_console.engine.clocks import now
from optibid_console.engine.driving import KILL_GRACE_S
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.running import StepRunner
from optibid_console.state import RunState
from optibid_console.targets.target import Ending, Target, TargetError

ASK_AGAIN_S = 15.0
_PROVEN = (Ending.EXITED, Ending.SIGNALLED)
"""What only an exit status on the target says. A boot since then proves nothing of before."""


def _is_over(run: RunState) -> bool:
    """Whether it has to end: it was aborted, or its time is over."""
    return bool(run.abort_asked_by) or now().since(run.began) > run.timeout_s


class LateAnswers:
    """Records the end of a run that its target finds after all, unless it was settled."""

    def __init__(self, ledger: Ledger, targets: Mapping[str, Target], steps: StepRunner) -> None:
        self._ledger = ledger
        self._targets = targets
        self._steps = steps

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.gather(*map(self._ask, self._ledger.state.unsettled_runs()))
            await asyncio.sleep(ASK_AGAIN_S)

    async def _ask(self, run: RunState) -> None:
        target = self._targets.get(run.target)
        if target is None:
            return  # the accepted runbook has no such target any more
        try:
            end = await target.ended(run.run_id)
            if end is None and _is_over(run):
                await target.cancel(run.run_id, KILL_GRACE_S)  # it couldn't be ended before
            elif end is not None and end.ending in _PROVEN:
                await self._steps.came_back(run, end)
        except TargetError:
            return  # its link says so in the header; it is asked again
