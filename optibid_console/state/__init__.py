"""The window as a pure fold: `WindowState.apply(entry)` gives the next state.

A file for each part of the state, as in `entries`; `window` is the whole. What each kind of
fact does to it is in `folding`.
"""

from __future__ import annotations

from optibid_console.state.actions import ActionState
from optibid_console.state.databases import DatabaseState, NoReturn
from optibid_console.state.gates import GateSeen
from optibid_console.state.observed import CriterionState
from optibid_console.state.people import Escalation, ItemState, Note, Poll
from optibid_console.state.sharing import SharedLink, SharingState
from optibid_console.state.steps import (
    ACTIVE,
    OVER,
    Artifact,
    RunState,
    StepState,
    StepStatus,
    Waiver,
)
from optibid_console.state.telling import TellingState, Untold
from optibid_console.state.window import FOLDS, Fold, Hold, WindowState, fold

__all__ = [
    "ACTIVE",
    "FOLDS",
    "OVER",
    "ActionState",
    "Artifact",
    "CriterionState",
    "DatabaseState",
    "Escalation",
    "Fold",
    "GateSeen",
    "Hold",
    "ItemState",
    "NoReturn",
    "Note",
    "Poll",
    "RunState",
    "SharedLink",
    "SharingState",
    "StepState",
    "StepStatus",
    "TellingState",
    "Untold",
    "Waiver",
    "WindowState",
    "fold",
]

from optibid_console import folding  # noqa: F401 - it fills FOLDS and needs the types above
