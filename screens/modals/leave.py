"""Leaving (q): the window goes on, is handed over, or is closed."""

from __future__ import annotations

from optibid_console.commands import CloseWindow, GoForward
from optibid_console.direction import forward_words
from optibid_console.permit import permit
from optibid_console.runbook.model import StepKind
from screens.keys import LEAVE
from screens.lines import Line, wrapped
from screens.modals.choose import Choose, Option
from screens.view import View

OUTCOMES = {"close": "completed", "rolled-back": "rolled back", "abandon": "abandoned"}


def leave_sheet(view: View) -> Choose:
    """`leave`, `hand-over`, a way of closing, or `quit` for who only watches."""

    def body(width: int, now: float) -> list[Line]:
        if view.ended or view.state.closed is not None:
            return wrapped("The window is over. Leaving closes this screen only.", width)
        if not view.drives:
            return wrapped("You only watch: leaving changes nothing in the window.", width)
        active = view.state.active_runs()
        if active:
            run = active[0]
            place = f" on {run.target}" if run.target else ""
            text = f"{run.step_id} is under way{place}: it goes on by itself."
            if run.kind == StepKind.MANUAL:
                text = f"{run.step_id} waits until a person confirms it."
            return wrapped(text, width, "running")
        return wrapped("The engine goes on without this screen: probes, criteria and runs.", width)

    def options() -> tuple[Option, ...]:
        if not view.drives or view.state.closed is not None:
            return (Option("quit", "leave this screen", "l"),)
        return (
            Option("leave", "leave the window running; `optibid-console attach` comes back", "l"),
            Option("hand-over", "hand over: give the lease back, so that another takes it", "h"),
            Option("close", "close the window: completed", "", _closing(view, "completed")),
            Option("rolled-back", "close the window: rolled back; asks why", "",
                   _closing(view, "rolled back")),
            *_forward(view),
            Option("abandon", "close the window: abandoned; asks why", "",
                   _closing(view, "abandoned")),
        )  # fmt: skip

    # After a rollback the banner says `q  close`: then that is where the sheet begins.
    done = view.rolled_back() is not None and not _closing(view, OUTCOMES["rolled-back"])
    return Choose(view, LEAVE, body, options, at="rolled-back" if done else "")


def _forward(view: View) -> tuple[Option, ...]:
    """After a rollback: the way forward again, whose words are typed."""
    words = forward_words(view.state.runbook)
    if permit(view.state, GoForward(words)):
        return ()
    return (Option("forward", "go forward again; its name is typed, runs no command"),)


def _closing(view: View, outcome: str) -> str:
    return permit(view.state, CloseWindow(outcome, "given next"))
