"""The runbook as values: what `config.toml` says, parsed.

Everything here is a frozen dataclass whose field names are the keys of config.toml; a file for
each part of it, and `runbook` is the whole. `runbook.load` makes them from a file, with every
error; the journal keeps them as a document.
"""

from __future__ import annotations

from optibid_console.runbook.model.observed import Criterion, PanelSpec, ProbeSpec, TailSpec
from optibid_console.runbook.model.people import (
    CheckItem,
    CheckSection,
    Contact,
    Rung,
    filled_in,
)
from optibid_console.runbook.model.runbook import Runbook
from optibid_console.runbook.model.steps import (
    FORWARD,
    ROLLBACK,
    Action,
    Gate,
    Phase,
    Step,
    StepKind,
)
from optibid_console.runbook.model.targets import DatabaseSpec, TargetSpec
from optibid_console.runbook.model.window import Environment, Stack, Window

__all__ = [
    "FORWARD",
    "ROLLBACK",
    "Action",
    "CheckItem",
    "CheckSection",
    "Contact",
    "Criterion",
    "DatabaseSpec",
    "Environment",
    "Gate",
    "PanelSpec",
    "Phase",
    "ProbeSpec",
    "Runbook",
    "Rung",
    "Stack",
    "Step",
    "StepKind",
    "TailSpec",
    "TargetSpec",
    "Window",
    "filled_in",
]
