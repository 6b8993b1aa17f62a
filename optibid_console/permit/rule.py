"""What a rule is: a command's kind, and why one of that kind can't be carried out now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from optibid_console.runbook.model import Runbook
from optibid_console.state import WindowState

Rules = Mapping[type[Any], Callable[[Runbook, WindowState, Any], str]]
"""A kind of command → what gives an empty text when it may be carried out, else why not."""
