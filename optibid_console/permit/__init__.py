"""Whether a command may be carried out now, or why not. Pure.

A file for what the commands are about, as in `commands`; `rules` puts them together.
"""

from __future__ import annotations

from optibid_console.permit.actions import action_gates, forced_words
from optibid_console.permit.rules import permit
from optibid_console.permit.steps import awaits_confirmation, unsettled

__all__ = [
    "action_gates",
    "awaits_confirmation",
    "forced_words",
    "permit",
    "unsettled",
]
