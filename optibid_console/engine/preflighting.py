"""The last look before an action: all that its readiness rests on is read anew."""

from __future__ import annotations

import asyncio
import time

from optibid_console.engine.ledger import Ledger
from optibid_console.engine.observing import Observers
from optibid_console.preflight import failed_checks
from optibid_console.runbook.model import Action, Runbook

WITHIN_S = 8.0
"""How long an action waits for its probes before it begins, at most."""


class Preflight:
    """Reads an action's `ready_when` on fresh log-ins, all probes at once."""

    def __init__(self, runbook: Runbook, ledger: Ledger, observers: Observers) -> None:
        self._runbook = runbook
        self._ledger = ledger
        self._observers = observers
        self._failed: dict[str, tuple[str, ...]] = {}
        """Action → what failed when it was looked at last."""

    async def why_not(self, action: Action) -> tuple[str, ...]:
        """Returns why the action can't be begun, within `WITHIN_S`; empty when it can.

        A probe that needs a fact which no step has recorded can't be read: whether the action
        can do without that fact is decided elsewhere. Raises `Deposed`.
        """
        named = dict.fromkeys(action.ready_when)
        known = [one for one in named if not self._observers.waits_for(one)]
        last = {one: self._observers.last(one) for one in known}
        looks = [self._observers.take_anew(one, WITHIN_S) for one in known]
        readings = dict(zip(known, await asyncio.gather(*looks), strict=True))
        failed = failed_checks(self._runbook, action, readings, last, time.time(), WITHIN_S)
        self._failed[action.id] = failed
        return failed

    def known(self, action: Action) -> tuple[str, ...]:
        """What isn't ready as far as it is known: by the last look, else by the lamp."""
        readiness = self._ledger.state.readiness.get(action.id)
        lamp = readiness.missing if readiness is not None else ()
        return self._failed.get(action.id) or lamp
