"""What a key or the palette sets going: look, ask, confirm, send. The engine decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from textual.screen import Screen

from optibid_console import commands as c
from optibid_console.entries import Choice, Mark, Verdict
from optibid_console.permit import awaits_confirmation
from optibid_console.plan import permit, preview
from optibid_console.runbook.model import CheckItem
from optibid_console.source import ControlSource, SourceError
from optibid_console.state import ACTIVE, OVER
from screens.view import View, open_poll, waits_for_person

R = TypeVar("R")


class Stage(Protocol):
    """What an operator's flow needs of the app."""

    view: View
    source: ControlSource | None

    async def ask(self, screen: Screen[R]) -> R | None:
        """Show a sheet and wait for what it gives."""

    def say(self, text: str, *, bad: bool = False) -> None:
        """Tell the person something in passing."""

    def show_run(self, run_id: str) -> None:
        """Show a run's output."""

    def leave(self, text: str = "") -> None:
        """End this screen; `text` is for the command line."""


class Operator:
    """The flows behind the keys. Each may be called at any time, from anywhere."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @property
    def view(self) -> View:
        return self.stage.view

    def blocked(self) -> str:
        """Why a key that changes something does nothing here; empty when it does."""
        view = self.view
        if view.ended:
            return f"the window has ended here: {view.ended}"
        if view.lost is not None:
            return "the feed is lost: nothing can be sent until it is back"
        if view.state.runbook is None:
            return "the engine is still starting"
        if not view.drives:
            holder = view.holder
            who = f"{holder} holds this window" if holder else "nobody holds this window"
            return f"read only: {who}. Press l to take over"
        return ""

    def allowed(self, command: c.Command | None = None) -> bool:
        """Whether to go on; says why not."""
        why = self.blocked() or (permit(self.view.state, command) if command else "")
        if why:
            self.stage.say(why, bad=True)
        return not why

    async def send(self, command: c.Command) -> bool:
        """Send it and say what the engine answered; True when it was accepted."""
        source = self.stage.source
        if source is None or not hasattr(source, "send"):
            self.stage.say("read only: nothing can be sent from here", bad=True)
            return False
        try:
            reply = await source.send(command)
        except SourceError as error:
            self.stage.say(f"not sent: {error}", bad=True)
            return False
        if isinstance(reply, c.Refused):
            self.stage.say(reply.why, bad=True)
            return False
        if reply.said:
            self.stage.say(reply.said)
        return True

    async def reason(self, title: str, text: str, prompt: str = "why") -> str | None:
        from screens.modals.ask import Ask

        return await self.stage.ask(Ask(self.view, title, text, prompt))

    # Steps and actions

    async def open(self, key: str) -> None:
        """Enter on a line: run the step, decide, or show what is known."""
        kind, _, name = key.partition(":")
        waiting = waits_for_person(self.view, key)
        if waiting == "decide":
            await self.decide()
        elif waiting == "confirm":
            await self.run_step(awaits_confirmation(self.view.state))
        elif kind == "step":
            await self.step(name)
        else:
            await self.details(key)

    async def step(self, step_id: str) -> None:
        """Run it when it can be run now, show its run while it runs, else its details."""
        status = self.view.state.step(step_id).status
        if status in ACTIVE:
            self.stage.show_run(self.view.state.step(step_id).run_id)
        elif status in OVER or not self.view.drives or permit(self.view.state, c.RunStep(step_id)):
            await self.details(f"step:{step_id}")
        else:
            await self.run_step(step_id)

    async def run_step(self, step_id: str) -> None:
        from screens.modals.confirm import confirm_step

        runbook = self.view.state.runbook
        step = runbook.step(step_id) if runbook else None
        if step is None or not self.allowed(c.RunStep(step_id)):
            return
        note = await self.stage.ask(confirm_step(self.view, step))
        if note is not None:
            await self.send(c.RunStep(step_id, note))

    async def skip(self, key: str) -> None:
        """`s`: skip a step, or call an item not applicable."""
        kind, _, name = key.partition(":")
        if kind == "item":
            await self.mark(name, Mark.NOT_APPLICABLE)
        elif kind == "astep":
            await self.decide()
        elif kind == "step" and self.allowed(c.SkipStep(name, "given next")):
            why = await self.reason(f"Skip {name}", f"{name} is not run. The reason is recorded.")
            if why:
                await self.send(c.SkipStep(name, why))
        elif kind != "step":
            self.stage.say("nothing here can be skipped")

    async def start_action(self, action_id: str) -> None:
        """b, m, R …: the one sheet of what will happen, then the typed name."""
        from screens.modals.action import ConfirmAction

        runbook = self.view.state.runbook
        action = runbook.action(action_id) if runbook else None
        if not self.allowed() or action is None:
            return
        confirm = preview(self.view.state, action_id, self.view.now()).confirm
        typed = await self.stage.ask(ConfirmAction(self.view, action_id))
        if typed == confirm:
            await self.send(c.StartAction(action_id, typed))

    async def decide(self) -> None:
        """An action stopped: retry, skip with a reason, or stop."""
        from screens.modals.stopped import LATER, stopped_sheet

        action = self.view.state.action()
        if action is None or not action.stopped_at_step or not self.allowed():
            return
        said = await self.stage.ask(stopped_sheet(self.view, action))
        if said is None or said == LATER:
            return
        choice, why = Choice(said), ""
        if choice is Choice.SKIP:
            text = f"{action.stopped_at_step} is left undone and {action.action_id} goes on."
            given = await self.reason(f"Skip {action.stopped_at_step}", text)
            if not given:
                return
            why = given
        await self.send(c.Decide(action.action_run, choice, why))

    async def abort(self) -> None:
        from screens.modals.confirm import confirm_abort

        if not self.allowed():
            return
        active = self.view.state.active_runs()
        if not active:
            self.stage.say("nothing is running: there is nothing to abort")
            return
        run = active[-1]
        if await self.stage.ask(confirm_abort(self.view, run)) is not None:
            await self.send(c.Abort(run.run_id))

    # The clock and people

    async def hold(self) -> None:
        """`h`: hold and say why; when held, resume."""
        if not self.allowed():
            return
        hold = self.view.state.hold
        if hold is None:
            why = await self.reason(
                "Hold", "The clock stands still until it is resumed; what is left shifts."
            )
            if why:
                await self.send(c.Hold(why))
            return
        from screens.modals.ask import Ask

        text = f"Held by {hold.by}: {hold.reason}. T-0 shifts by the time that it was held."
        note = await self.stage.ask(
            Ask(self.view, "Resume", text, "note (optional)", required=False)
        )
        if note is not None:
            await self.send(c.Resume(note))

    async def note(self, key: str) -> None:
        kind, _, name = key.partition(":")
        subject = {"astep": f"step:{name.rpartition('/')[2]}"}.get(kind, key)
        if kind not in ("step", "astep", "item", "probe", "criterion"):
            subject = "window"
        if not self.allowed():
            return
        about = f"About {self._name(subject)}. It is recorded with your name."
        text = await self.reason("Note", about, "note")
        if text:
            await self.send(c.WriteNote(subject, text))

    def _name(self, subject: str) -> str:
        """What a note is about, in the runbook's words."""
        kind, _, name = subject.partition(":")
        runbook = self.view.state.runbook
        if runbook is None or kind == "window":
            return "the window"
        if kind == "item":
            item = runbook.item(name)
            return f"“{item.text}”" if item else name
        if kind == "step":
            step = runbook.step(name)
            return f"{name} {step.title}" if step else name
        return f"{kind} {name}"

    async def tick(self, key: str) -> None:
        """Space on an item: done, or open again."""
        kind, _, name = key.partition(":")
        if kind != "item" or not self.allowed():
            return
        seen = self.view.state.items.get(name)
        again = seen is not None and seen.mark is not Mark.OPEN
        await self.send(c.MarkItem(name, Mark.OPEN if again else Mark.DONE))

    async def mark(self, item_id: str, mark: Mark) -> None:
        runbook = self.view.state.runbook
        item: CheckItem | None = runbook.item(item_id) if runbook else None
        if item is None or not self.allowed():
            return
        note = ""
        if mark in (Mark.FAILED, Mark.NOT_APPLICABLE):
            given = await self.reason(f"Mark as {mark.value}", item.text)
            if not given:
                return
            note = given
        await self.send(c.MarkItem(item_id, mark, note))

    async def details(self, key: str) -> None:
        from screens.modals.details import details_sheet

        sheet = details_sheet(self.view, key)
        said = await self.stage.ask(sheet) if sheet is not None else None
        name = key.partition(":")[2]
        flows: dict[str, Callable[[], Awaitable[None]]] = {
            "run": lambda: self.run_step(name),
            "skip": lambda: self.skip(key),
            "note": lambda: self.note(key),
            "done": lambda: self.mark(name, Mark.DONE),
            "failed": lambda: self.mark(name, Mark.FAILED),
            "n/a": lambda: self.mark(name, Mark.NOT_APPLICABLE),
            "open": lambda: self.mark(name, Mark.OPEN),
            "trip": lambda: self.judge(name, Verdict.FAIL),
            "clear": lambda: self.judge(name, Verdict.PASS),
        }
        if said == "output":
            self.stage.show_run(self.view.state.steps[name].run_id)
        elif said in flows:
            await flows[said]()

    async def judge(self, criterion_id: str, verdict: Verdict) -> None:
        """Say that a trigger is met, or isn't any more."""
        if not self.allowed(c.AssertCriterion(criterion_id, verdict, "given next")):
            return
        word = "met" if verdict is Verdict.FAIL else "not met"
        why = await self.reason("Criterion", f"You say that {criterion_id} is {word}.")
        if why:
            await self.send(c.AssertCriterion(criterion_id, verdict, why))

    async def poll(self) -> None:
        """`g`: call a poll; when one is open, vote."""
        from screens.modals.poll import PollSheet

        if open_poll(self.view) is None:
            question = "Go?"
            if not self.allowed(c.CallPoll(question)):
                return
            asked = await self.reason(
                "Go / no-go poll", "Every role of the runbook is asked.", "question"
            )
            if not asked or not await self.send(c.CallPoll(asked)):
                return
            return
        said = await self.stage.ask(PollSheet(self.view))
        if said is not None and self.allowed(said):
            await self.send(said)

    async def contacts(self) -> None:
        from screens.modals.contacts import contacts_sheet, next_rung

        said = await self.stage.ask(contacts_sheet(self.view))
        rung = next_rung(self.view)
        if said is None or not self.allowed():
            return
        if said == "ack" and rung is not None:
            await self.send(c.AcknowledgeEscalation(rung))
        elif said == "start":
            why = await self.reason("Escalation", "The escalation clock starts now.")
            if why:
                await self.send(c.StartEscalation(why))
        elif said == "end":
            why = await self.reason("End the escalation", "The escalation clock stops.")
            if why:
                await self.send(c.EndEscalation(why))

    async def lease(self) -> None:
        from screens.modals.lease import lease_sheet

        if self.view.state.runbook is None or self.view.lost is not None or self.view.ended:
            self.stage.say(self.blocked() or "the window isn't open", bad=True)
            return
        said = await self.stage.ask(lease_sheet(self.view))
        if said != "take":
            return
        why: str | None = "nobody held it"
        if self.view.holder:
            why = await self.reason("Take over", f"{self.view.holder}'s screen turns read only.")
        if why:
            await self.send(c.TakeOver(why))

    async def leave(self) -> None:
        """`q`: leave the window running, hand over, or close it."""
        from screens.modals.leave import OUTCOMES, leave_sheet

        said = await self.stage.ask(leave_sheet(self.view))
        if said is None:
            return
        if said == "quit":
            self.stage.leave()
        elif said == "leave":
            await self.send(c.Leave())
            self.stage.leave("the window goes on: optibid-console attach comes back to it")
        elif said == "hand-over":
            if await self.send(c.Leave("handed over")):
                self.stage.say("handed over: this screen watches now")
        elif said in OUTCOMES:
            outcome, note = OUTCOMES[said], ""
            if outcome != "completed":
                note = await self.reason("Close the window", f"It is closed as {outcome}.") or ""
                if not note:
                    return
            await self.send(c.CloseWindow(outcome, note))
