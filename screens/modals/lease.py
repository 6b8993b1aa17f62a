"""Who holds the window: watch, or take over with a reason."""

from __future__ import annotations

from optibid_console.launch_clock import format_span
from screens.lines import Line, wrapped
from screens.modals.choose import Choose, Option
from screens.view import View


def lease_sheet(view: View) -> Choose:
    """`watch` or `take`."""

    def body(width: int, now: float) -> list[Line]:
        role = view.role
        if view.drives:
            return wrapped(f"You ({view.name}) hold this window, epoch {view.state.epoch}.", width)
        if not view.holder:
            return wrapped(
                "Nobody holds this window: nothing is decided until somebody does.", width
            )
        since = role.since if role and role.since else view.state.operator_since
        held = f" for {format_span(now - since)}" if since else ""
        lines = wrapped(f"{view.holder} has held this window{held}.", width)
        if role is not None and role.stalled_s > 1:
            lines += wrapped(
                f"Their screen has taken nothing for {format_span(role.stalled_s)}.", width, "warn"
            )
        return lines

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
