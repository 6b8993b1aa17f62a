"""Evidence: what must be true after a step besides exit code 0."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from optibid_console import entries as e
from optibid_console.as_before import in_words, not_worse
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.live_run import LiveRun
from probes.probe import Reading, Status

_AGAIN_S = 0.5

TakeNow = Callable[[str], Awaitable[Reading]]
"""A fresh reading of the probe with this id."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the evidence makes of a step."""

    outcome: e.Outcome
    reason: str
    as_before: tuple[str, ...] = ()
    """What isn't ok, and wasn't before the deployment either."""


class Evidence:
    """Takes the probes that a step names until they read ok, and records what they said."""

    def __init__(self, ledger: Ledger, take_now: TakeNow) -> None:
        self._ledger = ledger
        self._take_now = take_now

    async def after(self, live: LiveRun) -> Found:
        limit_s = float(live.step.evidence_timeout)
        found = await self.until_ok(live, live.step.evidence, limit_s)
        if found.outcome is e.Outcome.FAILED:
            return replace(found, reason=f"the command ended well, but {found.reason}")
        return found

    async def once(self, live: LiveRun) -> None:
        """Take what the step names, for the operator who has to say how it ended."""
        readings = await asyncio.gather(*(self._take_now(name) for name in live.step.evidence))
        await self._ledger.keep(e.EvidenceTaken(live.step.id, live.run_id, tuple(readings)))

    async def until_ok(self, live: LiveRun, names: tuple[str, ...], limit_s: float) -> Found:
        """Take the named probes again and again until all read ok, at most `limit_s`. For a step
        with `as_before`, until none is worse than before the deployment."""
        deadline = time.monotonic() + limit_s
        while True:
            readings = await asyncio.gather(*(self._take_now(name) for name in names))
            sick = [one for one in readings if one.status is not Status.OK]
            before = self._ledger.state.before if live.step.as_before else {}
            bad = [one for one in sick if not not_worse(one, before)]
            if not bad or time.monotonic() >= deadline or live.stop.is_set():
                break
            await _pause(live.stop, min(_AGAIN_S, deadline - time.monotonic()))
        await self._ledger.keep(e.EvidenceTaken(live.step.id, live.run_id, tuple(readings)))
        if live.aborted_by:
            return Found(e.Outcome.ABORTED, f"by {live.aborted_by}")
        if not bad:
            kept = tuple(in_words(one) for one in sick)
            why = f"as before: {'; '.join(kept)}" if kept else ""
            return Found(e.Outcome.SUCCEEDED, why, kept)
        said = "; ".join(f"{one.probe} {one.status.value}: {one.summary}" for one in bad)
        return Found(e.Outcome.FAILED, said)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but not past `stop`."""
    try:
        async with asyncio.timeout(max(seconds, 0.0)):
            await stop.wait()
    except TimeoutError:
        return
