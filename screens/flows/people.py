"""The clock and the people: hold, polls, contacts, who holds the window, leaving."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console.entries import HANDED_OVER
from optibid_console.escalation import in_words, next_rung, reach
from screens.flows.desk import Desk
from screens.flows.gating import Gating
from screens.flows.running import Running
from screens.view import open_poll


class People:
    """What the operator does with others."""

    def __init__(self, desk: Desk, gating: Gating, running: Running) -> None:
        self.desk = desk
        self.gating = gating
        self.running = running

    async def hold(self) -> None:
        """`h`: hold and say why; when held, resume."""
        if not self.desk.allowed():
            return
        hold = self.desk.view.state.hold
        if hold is None:
            why = await self.desk.reason(
                "Hold", "The clock stands still until it is resumed; what is left shifts."
            )
            if why:
                await self.desk.send(c.Hold(why))
            return
        from screens.modals.ask import Ask

        text = f"Held by {hold.by}: {hold.reason}. T-0 shifts by the time that it was held."
        note = await self.desk.stage.ask(
            Ask(self.desk.view, "Resume", text, "note (optional)", required=False)
        )
        if note is not None:
            await self.desk.send(c.Resume(note))

    async def poll(self) -> None:
        """`g`: when a poll is open, vote; when a gate waits, its sheet; else call a poll."""
        if open_poll(self.desk.view) is not None and self.desk.view.drives:
            await self.gating.vote()
        elif key := self.gating.asked():
            await self.gating.gate(key)
        elif open_poll(self.desk.view) is not None:
            await self.gating.vote()
        else:
            question = "Go?"
            if not self.desk.allowed(c.CallPoll(question)):
                return
            asked = await self.desk.reason(
                "Go / no-go poll", "Every role of the runbook is asked.", "question"
            )
            if asked:
                await self.desk.send(c.CallPoll(asked))

    async def contacts(self) -> None:
        from screens.modals.contacts import contacts_sheet

        said = await self.desk.stage.ask(contacts_sheet(self.desk.view))
        if said is None or not self.desk.allowed():
            return
        if said == "ack":
            await self.acknowledge()
        elif said == "start":
            why = await self.desk.reason("Escalation", "The escalation clock starts now.")
            if why:
                await self.desk.send(c.StartEscalation(why))
        elif said == "end":
            why = await self.desk.reason("End the escalation", "The escalation clock stops.")
            if why:
                await self.desk.send(c.EndEscalation(why))
        elif said == "again":
            await self.desk.send(c.TellAgain())

    async def acknowledge(self) -> None:
        """`a`: whoever the next rung names was called."""
        if not self.desk.allowed():
            return
        view = self.desk.view
        coming = next_rung(view.state, view.now())
        if coming is None:
            runs = view.state.escalation is not None
            why = "every rung is acknowledged" if runs else "the escalation clock doesn't run"
            self.desk.refuse(why, c.AcknowledgeEscalation(0, ""))
            return
        from screens.modals.ask import Ask

        call = reach(coming.contact)
        text = f"Rung {coming.index + 1}, {in_words(coming.due_in_s)}: {coming.rung.action}."
        note = await self.desk.stage.ask(
            Ask(view, "Acknowledge: it was done", f"{text} {call}", "note (optional)",
                required=False)
        )  # fmt: skip
        if note is not None:
            await self.desk.send(c.AcknowledgeEscalation(coming.index, note))

    async def lease(self) -> None:
        from screens.modals.lease import lease_sheet

        if (
            self.desk.view.state.runbook is None
            or self.desk.view.lost is not None
            or self.desk.view.ended
        ):
            self.desk.refuse(self.desk.blocked() or "the window isn't open", c.TakeOver(""))
            return
        said = await self.desk.stage.ask(lease_sheet(self.desk.view))
        if said != "take":
            return
        holder, role = self.desk.view.holder, self.desk.view.role
        why: str | None = "nobody held it"
        of = ""
        if holder:
            if role is not None and role.elsewhere and not role.stalled_s:
                of = await self._named(holder)
                if not of:
                    return
            why = await self.desk.reason("Take over", f"{holder}'s screen turns read only.")
        if why:
            await self.desk.send(c.TakeOver(why, of))

    async def _named(self, holder: str) -> str:
        """The holder's name, typed: their console answers, and nobody here sees how they are."""
        from screens.modals.type_out import TypeOut

        text = (
            f"{holder}'s console answers: its last heartbeat is fresh. They may be in the middle "
            f"of something. Type {holder} to take the window from them all the same."
        )
        typed = await self.desk.stage.ask(
            TypeOut(self.desk.view, "Take over by force", text, holder)
        )
        return typed or ""

    async def leave(self) -> None:
        """`q`: leave the window running, hand over, or close it."""
        from screens.modals.leave import OUTCOMES, leave_sheet

        said = await self.desk.stage.ask(leave_sheet(self.desk.view))
        if said is None:
            return
        if said == "quit":
            self.desk.stage.leave()
        elif said == "leave":
            await self.desk.send(c.Leave())
            self.desk.stage.leave("the window goes on: optibid-console attach comes back to it")
        elif said == "forward":
            await self.running.go_forward()
        elif said == "hand-over":
            if await self.desk.send(c.Leave(HANDED_OVER)):
                self.desk.stage.say("handed over: this screen watches now")
        elif said in OUTCOMES:
            outcome, note = OUTCOMES[said], ""
            if outcome != "completed":
                note = (
                    await self.desk.reason("Close the window", f"It is closed as {outcome}.") or ""
                )
                if not note:
                    return
            await self.desk.send(c.CloseWindow(outcome, note))
