"""Marks and notes: check items, notes on anything, criteria that a person judges."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console.entries import Mark, Verdict
from optibid_console.runbook.model import CheckItem
from screens.flows.desk import Desk


class Marking:
    """Marks, notes and judges; each under the operator's name."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def tick(self, key: str) -> None:
        """Space on an item: done, or open again."""
        kind, _, name = key.partition(":")
        if kind != "item" or not self.desk.allowed():
            return
        seen = self.desk.view.state.items.get(name)
        again = seen is not None and seen.mark is not Mark.OPEN
        await self.desk.send(c.MarkItem(name, Mark.OPEN if again else Mark.DONE))

    async def mark(self, item_id: str, mark: Mark) -> None:
        runbook = self.desk.view.state.runbook
        item: CheckItem | None = runbook.item(item_id) if runbook else None
        if item is None or not self.desk.allowed():
            return
        note = ""
        if mark in (Mark.FAILED, Mark.NOT_APPLICABLE):
            given = await self.desk.reason(f"Mark as {mark.value}", item.text)
            if not given:
                return
            note = given
        await self.desk.send(c.MarkItem(item_id, mark, note))

    async def note(self, key: str) -> None:
        kind, _, name = key.partition(":")
        subject = {"astep": f"step:{name.rpartition('/')[2]}"}.get(kind, key)
        if kind not in ("step", "astep", "item", "probe", "criterion"):
            subject = "window"
        if not self.desk.allowed():
            return
        about = f"About {self._name(subject)}. It is recorded with your name."
        text = await self.desk.reason("Note", about, "note")
        if text:
            await self.desk.send(c.WriteNote(subject, text))

    def _name(self, subject: str) -> str:
        """What a note is about, in the runbook's words."""
        kind, _, name = subject.partition(":")
        runbook = self.desk.view.state.runbook
        if runbook is None or kind == "window":
            return "the window"
        if kind == "item":
            item = runbook.item(name)
            return f"“{item.text}”" if item else name
        if kind == "step":
            step = runbook.step(name)
            return f"{name} {step.title}" if step else name
        return f"{kind} {name}"

    async def judge(self, criterion_id: str, verdict: Verdict) -> None:
        """Say that a trigger is met, or isn't any more."""
        if not self.desk.allowed(c.AssertCriterion(criterion_id, verdict, "given next")):
            return
        word = "met" if verdict is Verdict.FAIL else "not met"
        why = await self.desk.reason("Criterion", f"You say that {criterion_id} is {word}.")
        if why:
            await self.desk.send(c.AssertCriterion(criterion_id, verdict, why))
