"""What the facts about gates do to the window."""

from __future__ import annotations

from typing import Any

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.folding.register import on
from optibid_console.state import GateSeen, WindowState


def asked_anew(s: WindowState, entry: e.Entry, step_ids: tuple[str, ...]) -> WindowState:
    """The gates of the phases of these steps begin anew: what was said before is void."""
    found = (s.runbook.phase_of(one) if s.runbook else None for one in step_ids)
    keys = {f"phase:{phase.id}" for phase in found if phase is not None}
    void = {key: GateSeen(entry.seq) for key in keys & s.gates.keys()}
    return changed(s, gates={**s.gates, **void}) if void else s


@on(e.GateOpened)
def _(s: WindowState, entry: e.Entry, f: e.GateOpened) -> WindowState:
    opened = GateSeen(entry.seq, entry.at, s.held_s, f.timeout_s, f.on_timeout)
    return changed(s, gates={**s.gates, f.gate: opened})


@on(e.GateConfirmed)
def _(s: WindowState, entry: e.Entry, f: e.GateConfirmed) -> WindowState:
    seen = s.gates.get(f.gate, GateSeen())
    return change_gate(s, f.gate, confirmed={**seen.confirmed, entry.actor: entry.at})


@on(e.GateTimedOut)
def _(s: WindowState, entry: e.Entry, f: e.GateTimedOut) -> WindowState:
    return change_gate(s, f.gate, timed_out_at=entry.at)


@on(e.GateDecided)
def _(s: WindowState, entry: e.Entry, f: e.GateDecided) -> WindowState:
    if f.decision == "wait":  # as long as before, from now on
        return change_gate(s, f.gate, timed_out_at=0.0, opened_at=entry.at, opened_held_s=s.held_s)
    return change_gate(s, f.gate, decided=f, decided_by=entry.actor)


@on(e.GatePassed)
def _(s: WindowState, entry: e.Entry, f: e.GatePassed) -> WindowState:
    return change_gate(s, f.gate, passed_at=entry.at, grounds=f.grounds)


def change_gate(s: WindowState, key: str, **changes: Any) -> WindowState:
    return changed(s, gates={**s.gates, key: changed(s.gates.get(key, GateSeen()), **changes)})
