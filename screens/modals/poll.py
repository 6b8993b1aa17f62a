"""The go/no-go poll: who has voted what, and the votes still to be given."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from optibid_console.commands import CastVote, ClosePoll
from optibid_console.entries import Vote
from screens.glyphs import glyph
from screens.lines import BLANK, Line, Span, row, sign, spans, wrapped
from screens.modals.ask import Ask
from screens.modals.sheet import Page, Sheet
from screens.view import View, open_poll


class PollSheet(Sheet[CastVote | ClosePoll | None]):
    """Gives a vote for the chosen role, or the poll's end. It stays open in the window."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "vote('go')", "go", show=False),
        Binding("x", "vote('no-go')", "no-go", show=False),
        Binding("c", "close_poll", "close", show=False),
    ]

    def __init__(self, view: View) -> None:
        super().__init__(view, "Go / no-go")

    def make_lines(self, width: int, now: float) -> list[Line]:
        poll = open_poll(self.view)
        if poll is None:
            return wrapped("The poll is closed.", width)
        lines = [*wrapped(poll.question, width, "title"), BLANK]
        for role in poll.roles:
            vote = poll.votes.get(role)
            if vote is None:
                look, word = glyph("pending"), "not yet"
            else:
                look = glyph("ok" if vote.vote is Vote.GO else "failing")
                word = vote.vote.value.upper()
            note = f"  {vote.note}" if vote and vote.note else ""
            left = spans(Span(f" {look.drawn} ", look.style), role, Span(note, "dim"))
            lines.append(row(width, left, spans(Span(word, look.style)), f"role:{role}"))
        return lines

    def shown_keys(self) -> list[tuple[str, str]]:
        if not self.view.drives:
            return [("Esc", "back")]
        return [
            (sign("up-down"), "role"),
            ("g", "go"),
            ("x", "no-go"),
            ("c", "close the poll"),
            ("Esc", "back"),
        ]

    async def action_vote(self, said: str) -> None:
        poll = open_poll(self.view)
        role = self.query_one(Page).chosen.removeprefix("role:")
        if poll is None or not role:
            return
        if said == Vote.GO.value:
            self.dismiss(CastVote(poll.poll_id, role, Vote.GO))
            return

        def voted(note: str | None) -> None:
            if note is not None:
                self.dismiss(CastVote(poll.poll_id, role, Vote.NO_GO, note))

        ask = Ask(self.view, "No-go", f"{role} says no-go.", "why")
        self.app.push_screen(ask, voted)

    def action_close_poll(self) -> None:
        poll = open_poll(self.view)
        if poll is not None:
            self.dismiss(ClosePoll(poll.poll_id))
