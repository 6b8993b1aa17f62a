"""What each kind of fact does to the window. Pure; a file for what they are about, as in
`entries`. Importing it registers them all in `state.FOLDS`."""

from __future__ import annotations

from optibid_console.folding import (
    actions,
    databases,
    gates,
    observed,
    people,
    sharing,
    steps,
    telling,
    window,
)

__all__ = [
    "actions",
    "databases",
    "gates",
    "observed",
    "people",
    "sharing",
    "steps",
    "telling",
    "window",
]
