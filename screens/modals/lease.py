"""Who holds the window: watch, or take over with a reason."""

from __future__ import annotations

from optibid_console.launch_clock import format_span
from screens.lines import BLANK, Line, wrapped
from screens.modals.choose import Choose, Option
from screens.view import View


def lease_sheet(view: View) -> Choose:
    """`watch` or `take`."""

    def body(width: int, now: float) -> list[Line]:
        return [*_held(view, width, now), *_recorded(view, width)]

    def options() -> tuple[Option, ...]:
        if view.drives:
            return ()
        if not view.holder:
            return (Option("take", "take the window", "t"), Option("watch", "only watch", "w"))
        return (
            Option("watch", "watch: everything can be seen, nothing be changed", "w"),
            Option("take", f"take over from {view.holder}; asks for the reason, which is recorded"),
        )

    return Choose(view, "Who holds the window", body, options)


def _held(view: View, width: int, now: float) -> list[Line]:
    role = view.role
    if view.drives:
        return wrapped(f"You ({view.name}) hold this window, epoch {view.state.epoch}.", width)
    if not view.holder:
        return wrapped("Nobody holds this window: nothing is decided until somebody does.", width)
    since = role.since if role and role.since else view.state.operator_since
    held = f" for {format_span(now - since)}" if since else ""
    lines = wrapped(f"{view.holder} has held this window{held}.", width)
    if role is not None and role.stalled_s > 1:
        stalled = f"Their screen has taken nothing for {format_span(role.stalled_s)}."
        lines += wrapped(stalled, width, "warn")
    return lines


def _recorded(view: View, width: int) -> list[Line]:
    """Where it is recorded, while that isn't the journal."""
    if not view.state.spill:
        return []
    why = f" ({view.pulse.problem})" if view.pulse and view.pulse.problem else ""
    text = f"The journal can't be written{why}. What the forced rollback does is recorded in"
    after = "It is merged into the journal as soon as that is back; keep it until then."
    return [
        BLANK, *wrapped(text, width), *wrapped(view.state.spill, width, "strong", "  "),
        *wrapped(after, width),
    ]  # fmt: skip
