"""Whether a step's last line may become the fact that it records. Pure."""

from __future__ import annotations

from optibid_console.runbook.model import Step
from probes.patterns import compiled
from probes.text import one_line

LONGEST_LINE_BYTES = 8192
"""A longer one isn't recorded: of the output's end no more is kept."""
_SHOWN = 80


def why_not_recorded(step: Step, line: str, *, is_whole: bool, lost: str) -> str:
    """Returns why nothing is recorded of a command that ended with exit 0; empty if `line` is.

    `is_whole`: whether the line's beginning is known. `lost`: what is lost of the output.
    """
    if lost:
        return f"{step.record} isn't recorded: {lost}"
    if not line and is_whole:
        return f"{step.record} isn't recorded: the command printed nothing"
    if not is_whole:
        return f"{step.record} isn't recorded: its last line is too long, or was left out in part"
    if step.expect_record and not compiled(step.expect_record).fullmatch(line):
        shown = one_line(line, _SHOWN)
        return f"{step.record} isn't recorded: {shown!r} isn't what expect_record asks for"
    return ""
