"""Whether any command may be carried out now."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console.permit import actions, databases, gates, people, sharing, steps, window
from optibid_console.permit.rule import Rules
from optibid_console.state import WindowState


def permit(state: WindowState, command: c.Command) -> str:
    """Empty when the command may be carried out; otherwise why not, as a sentence."""
    if isinstance(command, WITHOUT_A_WINDOW):
        return "a note needs words" if _blank_note(command) else ""
    if state.runbook is None:
        return "no window is open"
    if state.closed is not None:
        return f"the window is closed ({state.closed.outcome})"
    rule = RULES.get(type(command))
    if rule is None:
        return f"no rule says whether {type(command).__name__} may be carried out"
    return rule(state.runbook, state, command)


def _blank_note(command: c.Command) -> bool:
    return isinstance(command, c.WriteNote) and not command.text.strip()


WITHOUT_A_WINDOW = (c.TakeOver, c.Leave, c.StopEngine, c.WriteNote)
RULES: Rules = {
    **window.RULES,
    **steps.RULES,
    **actions.RULES,
    **databases.RULES,
    **gates.RULES,
    **people.RULES,
    **sharing.RULES,
}
