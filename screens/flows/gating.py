"""Gates: asked, decided, and confirmed by a second person."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console.gates import title_of, waiting
from screens.flows.desk import Desk
from screens.view import open_poll


class Gating:
    """What the operator does with a gate, and the one thing that a second person does."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def asked(self) -> str:
        """The gate that waits for somebody now, or empty."""
        view = self.desk.view
        return next(iter(waiting(view.state, view.now())), "")

    async def gate(self, key: str) -> None:
        """Enter on a gate, or `g` while it waits: how it stands, and the ways on."""
        from screens.modals.gate import gate_sheet

        sheet = gate_sheet(self.desk.view, key)
        said = await self.desk.stage.ask(sheet) if sheet is not None else None
        if said is None:
            return
        if said == "confirm":
            await self._confirm(key)
        elif not self.desk.allowed():
            return
        elif said == "vote":
            await self.vote()
        elif said == "poll":
            runbook = self.desk.view.state.runbook
            title = title_of(runbook, key) if runbook else key
            if await self.desk.send(c.CallPoll(f"Go for {title}?", key)):
                self.desk.stage.say("the poll is open: g votes in it")
        elif said == "ask":
            await self.desk.send(c.OpenGate(key))
        else:
            why = await self.desk.reason("The gate timed out", f"You say: {said}.")
            if why:
                await self.desk.send(c.DecideGate(key, said, why))

    async def vote(self) -> None:
        """The open poll: a vote, or its end."""
        from screens.modals.poll import PollSheet

        if open_poll(self.desk.view) is None:
            return
        said = await self.desk.stage.ask(PollSheet(self.desk.view))
        if said is not None and self.desk.allowed(said):
            await self.desk.send(said)

    async def _confirm(self, key: str) -> None:
        """The only command of a screen that doesn't drive."""
        from screens.modals.ask import Ask

        view = self.desk.view
        text = (
            f"It is recorded that {view.name} confirms it from a screen of their own, as this "
            "machine's same user: the console can't know who types."
        )
        ask = Ask(view, "Confirm as a second person", text, "note (optional)", required=False)
        note = await self.desk.stage.ask(ask)
        if note is not None:
            await self.desk.send(c.ConfirmGate(key, note))
