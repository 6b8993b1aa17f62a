"""What the last runs printed, told again by an engine that was started after they had ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing

from optibid_console.engine.ledger import Ledger
from optibid_console.engine.output import OutputTrail
from optibid_console.runbook.secrets import Secrets
from optibid_console.state import RunState
from optibid_console.targets.target import LinkLost, Target, TargetError

RUNS = 4
"""Of how many runs: those that started last."""
MOST_BYTES = 256 * 1024
"""A longer output stays on its target: it would hardly fit what a screen is given at first."""
_ASK_AGAIN_S = 2.0


class Recall:
    """Output isn't in the journal, and an engine's memory ends with it: the target has it.

    A screen that was cut off in the middle of a run's output goes on there by its offset, and
    one that comes anew sees why the last step failed.
    """

    def __init__(
        self, ledger: Ledger, targets: Callable[[], Mapping[str, Target]], secrets: Secrets
    ) -> None:
        """`targets`: those of the runbook that the window goes by at that moment."""
        self._ledger = ledger
        self._targets = targets
        self._secrets = secrets
        self._runs = told_again(ledger.state.runs)

    async def run(self) -> None:
        """Tell them, each as soon as its target can be reached."""
        await asyncio.gather(*map(self._tell, self._runs))

    async def _tell(self, run: RunState) -> None:
        trail = OutputTrail(run.run_id, self._secrets.redactor)
        while target := self._targets().get(run.target):
            try:
                chunks = target.follow(run.run_id, trail.received)
                async with aclosing(chunks):
                    async for chunk in chunks:
                        for signal in trail.take(chunk):
                            self._ledger.signal(signal)
            except LinkLost:
                await asyncio.sleep(_ASK_AGAIN_S)
                continue
            except TargetError as error:
                for signal in trail.notice(f"its output can't be had again: {error}"):
                    self._ledger.signal(signal)
                return
            for signal in trail.end():
                self._ledger.signal(signal)
            return


def told_again(runs: Mapping[str, RunState]) -> tuple[RunState, ...]:
    """The runs whose output is to be told again, in the order in which they started. Pure."""
    printed = [run for run in runs.values() if run.ended is not None and run.ended.output_bytes]
    last = printed[-RUNS:]
    return tuple(run for run in last if run.ended and run.ended.output_bytes <= MOST_BYTES)
