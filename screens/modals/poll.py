"""The go/no-go poll: who has voted what, and the votes still to be given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar

from textual.binding import Binding, BindingType

from optibid_console.commands import CastVote, ClosePoll
from optibid_console.entries import Vote
from optibid_console.gates import title_of
from optibid_console.state import Poll
from screens.glyphs import glyph
from screens.lines import BLANK, Line, Span, row, sign, spans, wrapped
from screens.modals.ask import Ask
from screens.modals.confirm import Confirm
from screens.modals.sheet import Page, Sheet
from screens.view import View, open_poll


class PollSheet(Sheet[CastVote | ClosePoll | None]):
    """Gives a vote for the chosen role, or the poll's end. It stays open in the window."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "vote('go')", "go", show=False),
        Binding("n", "vote('noted')", "go with a note", show=False),
        Binding("x", "vote('no-go')", "no-go", show=False),
        Binding("c", "close_poll", "close", show=False),
    ]

    def __init__(self, view: View) -> None:
        super().__init__(view, "Go / no-go")

    def make_lines(self, width: int, now: float) -> list[Line]:
        poll = open_poll(self.view)
        if poll is None:
            return wrapped("The poll is closed.", width)
        lines = wrapped(poll.question, width, "title")
        runbook = self.view.state.runbook
        if poll.gate and runbook is not None:
            lines += wrapped(f"the gate of {title_of(runbook, poll.gate)}", width, "dim")
        return [*lines, BLANK, *vote_lines(poll, width), BLANK, *wrapped(_left(poll), width)]

    def shown_keys(self) -> list[tuple[str, str]]:
        if not self.view.drives:
            return [("Esc", "back")]
        return [
            (sign("up-down"), "role"),
            ("g", "go"),
            ("x", "no-go"),
            ("n", "go, with a note"),
            ("c", "close the poll"),
            ("Esc", "back"),
        ]

    async def action_vote(self, said: str) -> None:
        poll = open_poll(self.view)
        role = self.query_one(Page).chosen.removeprefix("role:")
        if poll is None or not role or not self.view.drives:
            return
        if said == Vote.GO.value:
            self._ask_go(CastVote(poll.poll_id, role, Vote.GO), poll.question)
            return
        vote = Vote.NO_GO if said == Vote.NO_GO.value else Vote.GO

        def voted(note: str | None) -> None:
            if note is not None:
                self.dismiss(CastVote(poll.poll_id, role, vote, note))

        held = " The window is held with that reason." if vote is Vote.NO_GO else ""
        ask = Ask(self.view, vote.value.capitalize(), f"{role} says {vote.value}.{held}", "why")
        self.app.push_screen(ask, voted)

    def _ask_go(self, vote: CastVote, question: str) -> None:
        """Ask once, with the role for which it speaks."""

        def body(width: int, now: float) -> list[Line]:
            said = wrapped(f"{vote.role} says GO", width, "strong")
            return [*said, *wrapped(question, width), BLANK,
                    *wrapped("Recorded under your name, for this role.", width)]  # fmt: skip

        def voted(said: str | None) -> None:
            if said is not None:
                self.dismiss(vote)

        self.app.push_screen(
            Confirm(self.view, f"Vote as {vote.role}", body, f"vote GO as {vote.role}"), voted
        )

    def action_close_poll(self) -> None:
        poll = open_poll(self.view)
        if poll is not None and self.view.drives:
            self.dismiss(ClosePoll(poll.poll_id))


def vote_lines(poll: Poll, width: int) -> list[Line]:
    """Each role with its vote, when it came, its note, and what was on screen then."""
    lines: list[Line] = []
    for role in poll.roles:
        vote = poll.votes.get(role)
        if vote is None:
            look = glyph("pending")
            left = spans(Span(f" {look.drawn} ", look.style), role)
            word = spans(Span("hasn't voted", look.style))
            lines.append(row(width, left, word, f"role:{role}"))
            continue
        look = glyph("ok" if vote.vote is Vote.GO else "failing")
        at = datetime.fromtimestamp(poll.voted_at.get(role, 0.0), UTC).strftime("%H:%M:%SZ")
        note = Span(f"  {vote.note}" if vote.note else "", "dim")
        end = spans(Span(vote.vote.value.upper(), look.style), Span(f" {at}", "dim"))
        left = spans(Span(f" {look.drawn} ", look.style), role, note)
        lines.append(row(width, left, end, f"role:{role}"))
        lines += wrapped(in_sight(vote.seen), width, "dim", "     ") if vote.seen else []
    return lines


def in_sight(seen: Mapping[str, str]) -> str:
    """What was on screen at a vote: the panels' values, and the criteria that didn't pass."""
    panels = [f"{name.partition('.')[2]} {value}" for name, value in seen.items()
              if name.startswith("panel.")]  # fmt: skip
    verdicts = {name.partition(".")[2]: said.partition(":")[0] for name, said in seen.items()
                if name.startswith("criterion.")}  # fmt: skip
    others = [f"{name} {said}" for name, said in verdicts.items() if said != "pass"]
    passed = len(verdicts) - len(others)
    criteria = [f"{passed} of {len(verdicts)} criteria pass"] if verdicts else []
    return f"saw {', '.join((*panels, *criteria, *others))}"


def _left(poll: Poll) -> str:
    left = [role for role in poll.roles if role not in poll.votes]
    return f"waits for {', '.join(left)}" if left else f"everybody has voted: {poll.tally()}"
