"""Aborts the action under way, or the run of a step. What it shows follows what runs."""

from __future__ import annotations

from optibid_console.aborting import has_ended
from optibid_console.launch_clock import format_span
from optibid_console.state import OVER, ActionState, RunState
from screens.lines import BLANK, Line, wrapped
from screens.modals.confirm import Confirm, command_lines
from screens.modals.sheet import heading
from screens.view import View

_TERM = (
    "Its whole process group is told to end (TERM, then KILL). What it has done until now stays "
    "done."
)


class AbortSheet(Confirm):
    """Gives an empty text, or None after Esc. It may have nothing left to end by then."""

    def __init__(self, view: View, wanted: ActionState | RunState) -> None:
        self._wanted = wanted
        action = isinstance(wanted, ActionState)
        name = wanted.action_id if isinstance(wanted, ActionState) else wanted.step_id
        title = f"Stop {name}" if action else f"Abort {name}"
        word = "stop the action" if action else "abort it"
        super().__init__(
            view, title, lambda width, now: abort_lines(view, wanted, width, now), word
        )

    def shown_keys(self) -> list[tuple[str, str]]:
        if has_ended(self.view.state, self._wanted):
            return [("Enter", "close"), ("Esc", "close")]
        return super().shown_keys()


def abort_lines(view: View, wanted: ActionState | RunState, width: int, now: float) -> list[Line]:
    """Returns what an abort ends at this moment, or that there is nothing left to end."""
    late = has_ended(view.state, wanted)
    if late:
        return wrapped(late, width, "warn")
    if isinstance(wanted, RunState):
        return [*_run_lines(wanted, width, now), BLANK, *wrapped(_TERM, width)]
    runs = [one for one in view.state.unfinished_runs() if one.action_run == wanted.action_run]
    lines = _run_lines(runs[-1], width, now) if runs else [heading("no step of it runs right now")]
    left = [
        one
        for one in wanted.steps
        if view.state.step(one, wanted.action_run).status not in OVER
        and one not in {run.step_id for run in runs}
    ]
    begins = f"These steps don't begin: {', '.join(left)}." if left else "It is the last step."
    lines += [BLANK, *wrapped(_TERM, width)] if runs else []
    return [*lines, BLANK, *wrapped(f"{begins} You then decide how it goes on.", width)]


def _run_lines(run: RunState, width: int, now: float) -> list[Line]:
    spent = format_span(now - run.started_at)
    where = run.target or "the console"
    return [heading(f"{run.step_id} on {where}, for {spent}"), *command_lines(run.command, width)]
