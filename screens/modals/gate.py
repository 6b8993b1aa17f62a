"""A gate: what it wants, what is there, what its timeout means, and the ways on."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console.gates import (
    SECOND_PERSON,
    GateState,
    Standing,
    gate_of,
    judge,
    meaning,
    poll_of,
    same_person,
    title_of,
)
from optibid_console.launch_clock import format_span
from optibid_console.permit import permit
from optibid_console.runbook.model import Gate
from optibid_console.state import GateSeen
from screens.glyphs import glyph
from screens.lines import BLANK, Line, Span, row, spans, wrapped
from screens.modals.choose import Choose, Option
from screens.modals.poll import vote_lines
from screens.view import View
from screens.widgets.gate_line import GATE_LOOKS


def gate_sheet(view: View, key: str) -> Choose | None:
    """The sheet of a gate; None when there is no such gate."""
    runbook = view.state.runbook
    gate = gate_of(runbook, key) if runbook else None
    if runbook is None or gate is None:
        return None

    def body(width: int, now: float) -> list[Line]:
        return gate_lines(view, key, width, now)

    title = f"Gate of {title_of(runbook, key)}"
    return Choose(view, title, body, lambda: _options(view, key, gate))


def gate_lines(view: View, key: str, width: int, now: float) -> list[Line]:
    """How it stands, then each thing that it wants, then its time."""
    runbook = view.state.runbook
    gate = gate_of(runbook, key) if runbook else None
    if runbook is None or gate is None:
        return wrapped("The gate is gone.", width)
    at, seen = judge(view.state, runbook, key, now), view.state.gates.get(key, GateSeen())
    look = glyph(GATE_LOOKS[at.standing])
    word = "passed" if seen.passed_at else at.standing.value
    lines = [row(width, spans(Span(f"{look.drawn} {word}", look.style), _time(at)))]
    if at.refused:
        lines += wrapped(at.refused, width, "failing", "  ")
    poll = poll_of(view.state, key)
    if poll is not None and not seen.passed_at:
        lines += [BLANK, *vote_lines(poll, width)]
    roles = {f"{role}'s go" for role in gate.signoffs}
    rest = [one for one in at.missing if poll is None or one not in roles]
    there = [one for one in at.grounds if poll is None or not _of_role(one, gate)]
    lines += [BLANK] if rest or there else []
    for text in there:
        lines += _bullet("ok", text, width)
    for text in rest:
        lines += _bullet("pending", f"waits for {text}", width)
    if SECOND_PERSON in at.missing:
        lines += wrapped(
            "somebody else attaches on a screen of their own, under their own name, and presses g",
            width, "dim", "   ",
        )  # fmt: skip
    if gate.timeout:
        said = f"at most {format_span(gate.timeout)}; {meaning(gate.on_timeout)}"
        lines += [BLANK, *wrapped(said, width, "dim")]
    return lines


def _of_role(ground: str, gate: Gate) -> bool:
    return any(ground.startswith(f"{role} go at ") for role in gate.signoffs)


def _bullet(look: str, text: str, width: int) -> list[Line]:
    shown = glyph(look)
    first, *rest = wrapped(text, width - 3)
    mark = Span(f" {shown.drawn} ", shown.style)
    return [Line((mark, *first.spans)), *(Line((Span("   "), *one.spans)) for one in rest)]


def _time(at: GateState) -> Span:
    if at.left_s is None:
        return Span("")
    return Span(f"  {format_span(max(at.left_s, 0.0))} left", "warn" if at.left_s < 60 else "dim")


def _options(view: View, key: str, gate: Gate) -> tuple[Option, ...]:
    if not view.drives:
        return confirm_option(view, key, gate)
    state, found = view.state, []
    poll = poll_of(state, key)
    if poll is not None and not poll.result:
        found.append(Option("vote", "vote, or close the poll", "v"))
    elif gate.signoffs and _asks(view, key):
        why = permit(state, c.CallPoll("?", key))
        found.append(Option("poll", f"ask {', '.join(gate.signoffs)}", "p", why))
    if not permit(state, c.DecideGate(key, "wait", "given next")):
        found += [
            Option("wait", "wait as long again; asks why"),
            Option("go", "go without what is missing; asks why"),
            Option("no-go", "no-go: the window is held; asks why"),
        ]
    if not permit(state, c.OpenGate(key)):
        anew = bool(state.gates.get(key, GateSeen()).opened_at)
        text = "ask anew: what was said until now is void" if anew else "ask from now on"
        found.append(Option("ask", text, "" if anew else "a"))
    return tuple(found)


def _asks(view: View, key: str) -> bool:
    """Whether a poll could still let it through: a no-go has to be asked anew first."""
    runbook = view.state.runbook
    return (
        runbook is not None
        and judge(view.state, runbook, key, view.now()).standing is not Standing.REFUSED
    )


def confirm_option(view: View, key: str, gate: Gate) -> tuple[Option, ...]:
    """What a second person can do here."""
    refused = permit(view.state, c.ConfirmGate(key))
    if not gate.second_person or refused:
        return ()
    if same_person(view.name, view.state.operator):
        refused = f"{view.name} drives this window: attach under your own name"
    text = f"confirm, as {view.name}: you have looked at it and say go"
    return (Option("confirm", text, "", refused),)
