"""What a key or the palette sets going, by the line that it is pressed on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from optibid_console import commands as c
from optibid_console.entries import Mark, Verdict
from optibid_console.permit import awaits_confirmation, permit
from optibid_console.runbook.model import ROLLBACK
from optibid_console.state import ACTIVE, OVER
from screens.flows.desk import Desk, Stage
from screens.flows.gating import Gating
from screens.flows.marking import Marking
from screens.flows.people import People
from screens.flows.reloading import Reloading
from screens.flows.running import Running
from screens.flows.sharing import Sharing
from screens.refusals import Refusal
from screens.view import View, open_question, waits_for_person


class Operator:
    """The flows behind the keys. Each may be called at any time, from anywhere."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        desk = Desk(stage)
        self.gating = Gating(desk)
        self.running, self.marking = Running(desk, self.gating), Marking(desk)
        self.people = People(desk, self.gating, self.running)
        self.sharing = Sharing(desk)
        self.reloading = Reloading(desk)

    @property
    def view(self) -> View:
        return self.stage.view

    async def open(self, key: str) -> None:
        """Enter on a line: run the step, decide, or show what is known."""
        kind, _, name = key.partition(":")
        question = open_question(self.view, key)
        waiting = waits_for_person(self.view, key)
        if question is not None:
            await self.running.settle(question)
        elif waiting == "decide":
            await self.running.decide()
        elif waiting == "confirm":
            await self.running.run_step(awaits_confirmation(self.view.state))
        elif waiting == "close":
            await self.people.leave()
        elif waiting == "roll back":
            await self.running.start_action(ROLLBACK)
        elif kind == "step":
            await self.step(name)
        elif kind == "gate":
            await self.gating.gate(name)
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
            await self.running.run_step(step_id)

    async def skip(self, key: str) -> None:
        """`s`: skip a step, or call an item not applicable."""
        kind, _, name = key.partition(":")
        if kind == "item":
            await self.marking.mark(name, Mark.NOT_APPLICABLE)
        elif kind == "astep":
            await self.running.decide()
        elif kind == "step":
            await self.running.skip_step(name)
        else:
            self.stage.refuse(
                Refusal("Can't skip that", "steps and check items can be skipped: choose one")
            )

    async def jump(self, key: str) -> None:
        """`J`: go on from a step, or run it again."""
        kind, _, name = key.partition(":")
        if kind == "step":
            await self.running.jump(name)
        else:
            self.stage.refuse(
                Refusal("Can't jump there", "choose a step of the timeline to jump to")
            )

    async def details(self, key: str) -> None:
        """What is known of a line's subject, and the ways on from there."""
        from screens.modals.details import details_sheet

        sheet = details_sheet(self.view, key)
        said = await self.stage.ask(sheet) if sheet is not None else None
        name = key.partition(":")[2]
        flows: dict[str, Callable[[], Awaitable[None]]] = {
            "run": lambda: self.running.run_step(name),
            "skip": lambda: self.skip(key),
            "jump": lambda: self.jump(key),
            "confirm waiver": lambda: self.running.confirm_waiver(name),
            "note": lambda: self.marking.note(key),
            "done": lambda: self.marking.mark(name, Mark.DONE),
            "failed": lambda: self.marking.mark(name, Mark.FAILED),
            "n/a": lambda: self.marking.mark(name, Mark.NOT_APPLICABLE),
            "open": lambda: self.marking.mark(name, Mark.OPEN),
            "trip": lambda: self.marking.judge(name, Verdict.FAIL),
            "clear": lambda: self.marking.judge(name, Verdict.PASS),
        }
        if said == "output":
            self.stage.show_run(self.view.state.steps[name].run_id)
        elif said in flows:
            await flows[said]()
