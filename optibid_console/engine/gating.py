"""Gates asked, timed out and passed; a no-go holds the window."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from optibid_console import entries as e
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.observing import Observers
from optibid_console.gates import gate_of, hold_reason, judge, newly_due
from optibid_console.journal.journal import JournalError, JournalSilent
from optibid_console.journal.lease import Deposed
from optibid_console.state import GateSeen
from optibid_console.units import format_value

_EVERY_S = 1.0
_STALE_PERIODS = 3
"""A panel that was silent for so many of its periods is stale: its value is of before."""


class Gatekeeper:
    """Keeps the gates; what may go through them is `permit`'s to say."""

    def __init__(self, ledger: Ledger, observers: Observers, busy: asyncio.Lock) -> None:
        self._ledger = ledger
        self._observers = observers
        self._busy = busy
        """Held while a command is carried out: nothing times out in the middle of one."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look(time.time())
            await asyncio.sleep(_EVERY_S)

    async def look(self, now: float) -> None:
        """Ask the gate that is next, and say which have timed out."""
        if not newly_due(self._ledger.state, now):
            return
        with suppress(JournalSilent):  # then it looks again in a moment
            await self._ledger.unless_silent(self._say(now))

    async def _say(self, now: float) -> None:
        async with self._busy:
            for fact in newly_due(self._ledger.state, now):
                try:
                    await self._ledger.record(fact)
                except Deposed:
                    raise
                except JournalError:
                    return  # whoever is asked meanwhile must not wait for it
                await self.hold_after(fact, e.CONSOLE)

    async def ask(self, key: str, by: str) -> None:
        """Ask a gate from now on, with no vote and no confirmation. Raises `JournalError`."""
        runbook = self._ledger.state.runbook
        gate = gate_of(runbook, key) if runbook else None
        if gate is None:
            return
        for poll in self._ledger.state.polls.values():
            if poll.gate == key and not poll.result:
                await self._ledger.record(e.PollClosed(poll.poll_id, poll.tally()), by)
        await self._ledger.record(e.GateOpened(key, gate.timeout, gate.on_timeout), by)

    async def call_poll(self, question: str, key: str, by: str) -> None:
        """Ask every role of the runbook, or those of a gate, which is asked with it. Raises
        `JournalError`."""
        state, runbook = self._ledger.state, self._ledger.state.runbook
        gate = gate_of(runbook, key) if runbook else None
        if gate is not None and not state.gates.get(key, GateSeen()).opened_at:
            await self.ask(key, by)
        roles = gate.signoffs if gate else (runbook.signoffs if runbook else ())
        poll_id = f"poll{len(state.polls) + 1}"
        await self._ledger.record(e.PollCalled(poll_id, question, roles, key if gate else ""), by)

    async def passed(self, keys: Iterable[str], by: str) -> None:
        """Record what lets through the gates that weren't passed yet. Raises `JournalError`."""
        state, runbook = self._ledger.state, self._ledger.state.runbook
        for key in keys:
            if runbook is None or state.gates.get(key, GateSeen()).passed_at or state.rehearsal:
                continue
            grounds = judge(state, runbook, key, time.time()).grounds
            await self._ledger.record(e.GatePassed(key, grounds), by)

    async def hold_after(self, fact: e.Fact, by: str) -> None:
        """Hold the window for a no-go, or for a timeout that holds."""
        state = self._ledger.state
        reason = hold_reason(state, state.runbook, fact) if state.runbook else ""
        if reason and state.hold is None:
            await self._ledger.keep_soon(e.Held(reason), by)

    def sight(self) -> Mapping[str, str]:
        """What the console shows at this moment: panels' values and criteria's verdicts."""
        state, runbook, now = self._ledger.state, self._ledger.state.runbook, time.time()
        seen: dict[str, str] = {}
        for panel in runbook.panels.values() if runbook else ():
            samples = self._observers.history.get(("panel", panel.id))
            if not samples:
                seen[f"panel.{panel.id}"] = "no data"
                continue
            last = samples[-1]
            value = format_value(last.value, last.unit or panel.unit)
            old = now - last.at > _STALE_PERIODS * panel.every + panel.timeout
            stale = f", stale {now - last.at:.0f} s" if old else ""
            seen[f"panel.{panel.id}"] = f"{value} {last.status.value}{stale}"
        for criterion in runbook.criteria if runbook else ():
            judged = state.criteria.get(criterion.id)
            said = f"{judged.verdict.value}: {judged.reason}" if judged else "not judged yet"
            seen[f"criterion.{criterion.id}"] = said
        return seen
