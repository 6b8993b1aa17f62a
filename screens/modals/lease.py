"""Who holds the window: watch, or take over with a reason."""

from __future__ import annotations

from optibid_console.launch_clock import format_span
from screens.lines import BLANK, Line, sign, wrapped
from screens.modals.choose import Choose, Option
from screens.view import View

_CHANGES = 8
"""So many differences are listed; the engine lists more when it refuses them."""


def lease_sheet(view: View) -> Choose:
    """`watch` or `take`."""

    def body(width: int, now: float) -> list[Line]:
        return [*_held(view, width, now), *_recorded(view, width), *_runbook(view, width)]

    def options() -> tuple[Option, ...]:
        if view.drives or view.observer:
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
    if role is not None and role.elsewhere:
        if role.stalled_s:
            beat = f"The last heartbeat of their console came {format_span(role.stalled_s)} ago."
            lines += wrapped(beat, width, "warn")
        else:
            lines += wrapped(
                "Their console answers, and isn't this one: its last heartbeat came within 5 s.",
                width,
            )
    elif role is not None and role.stalled_s > 1:
        stalled = f"Their screen has taken nothing for {format_span(role.stalled_s)}."
        lines += wrapped(stalled, width, "warn")
    return lines


def _runbook(view: View, width: int) -> list[Line]:
    """What the config says that the window doesn't go by, and how it would."""
    changes = view.config_changes()
    if not changes or view.given is None:
        return []
    text = (
        f"{view.given.name} changed since this window was opened. The window goes by the one it "
        "was opened with:"
    )
    lines = [BLANK, *wrapped(text, width, "warn")]
    for one in changes[:_CHANGES]:
        lines += wrapped(one, width, "plain", "  ")
    if len(changes) > _CHANGES:
        lines += wrapped(f"{sign('more')} and {len(changes) - _CHANGES} more", width, "dim", "  ")
    how = "To go by the new one, whoever drives gives"
    return [
        *lines, *wrapped(how, width), *wrapped("ctrl+p reload", width, "strong", "  "),
        *wrapped("which shows what it changes and records it. Otherwise undo the change.", width),
    ]  # fmt: skip


def _recorded(view: View, width: int) -> list[Line]:
    """Where it is recorded, while that isn't the journal."""
    problem = view.pulse.problem if view.pulse and not view.pulse.journal_ok else ""
    if not view.state.spill:
        said = f"Nothing is recorded now, so nothing new can start: {problem}."
        return [BLANK, *wrapped(said, width, "warn")] if problem else []
    why = f" ({problem})" if problem else ""
    text = f"The journal can't be written{why}. What the forced rollback does is recorded in"
    after = "It is merged into the journal as soon as that is back; keep it until then."
    return [
        BLANK, *wrapped(text, width), *wrapped(view.state.spill, width, "strong", "  "),
        *wrapped(after, width),
    ]  # fmt: skip
