"""A criterion as it was judged last."""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console import entries as e


@dataclass(frozen=True, slots=True)
class CriterionState:
    verdict: e.Verdict = e.Verdict.INCONCLUSIVE
    reason: str = "not judged yet"
    since: float = 0.0
    by: str = ""
    """Who asserted it; empty: judged by the console."""
    tripped_seq: int = 0
    """The entry with which it tripped, until it passes again; 0: it isn't tripped."""
