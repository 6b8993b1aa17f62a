"""How a window begins: its id, its stamp, its T-0."""

from __future__ import annotations

import secrets as randomness
from datetime import UTC, datetime, timedelta

from optibid_console.codec import to_plain
from optibid_console.entries import WindowOpened
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import Runbook


def opening(loaded: Loaded, t0: str, now: float, *, rehearsal: bool = False) -> WindowOpened:
    """The first fact of a window that opens at `now` (epoch seconds).

    `t0`: as `moment` reads it; empty: the runbook's, else so that the first phase is due
    now. Raises `ValueError` when it can't be read.
    """
    runbook = loaded.runbook
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d_%H%M%S")
    wanted = t0 or runbook.window.t0
    return WindowOpened(
        window_id=f"{stamp}-{randomness.token_hex(2)}",
        name=runbook.window.name,
        version=runbook.window.version,
        stamp=stamp,
        t0=moment(wanted, now) if wanted else now - _first_offset_s(runbook),
        speed=runbook.window.speed,
        digest=loaded.digest,
        runbook=to_plain(runbook),
        rehearsal=rehearsal,
    )


def moment(text: str, now: float) -> float:
    """Epoch seconds of an RFC 3339 moment, of the next `HH:MM` (UTC), or of `+90m`.

    Raises `ValueError` that says what is accepted.
    """
    said = text.strip()
    try:
        if said.startswith("+"):
            number, unit = float(said[1:-1]), said[-1]
            return now + number * {"s": 1, "m": 60, "h": 3600}[unit]
        if len(said) <= 5 and ":" in said:
            hour, minute = said.split(":")
            today = datetime.fromtimestamp(now, UTC)
            due = today.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
            return (due if due >= today else due + timedelta(days=1)).timestamp()
        parsed = datetime.fromisoformat(said)
        if parsed.tzinfo is None:
            raise ValueError("no time zone")
        return parsed.timestamp()
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"can't read T-0 {text!r}; write `21:00` (UTC), `+90m` or `2026-11-24T21:00:00Z`"
        ) from error


def _first_offset_s(runbook: Runbook) -> float:
    first = float(runbook.phases[0].at) if runbook.phases else 0.0
    return first / runbook.window.speed
