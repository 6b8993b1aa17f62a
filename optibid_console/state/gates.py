"""A gate as far as it got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optibid_console import entries as e


@dataclass(frozen=True, slots=True)
class GateSeen:
    """A gate as far as it got. It begins anew with `since_seq`: what came before is void."""

    since_seq: int = 0
    opened_at: float = 0.0
    """When it was asked; 0: it wasn't yet."""
    opened_held_s: float = 0.0
    """For how long the window had been held by then."""
    timeout_s: float = 0.0
    on_timeout: str = "hold"
    confirmed: Mapping[str, float] = field(default_factory=dict)
    """Who confirmed it, and when."""
    timed_out_at: float = 0.0
    decided: e.GateDecided | None = None
    decided_by: str = ""
    passed_at: float = 0.0
    grounds: tuple[str, ...] = ()
