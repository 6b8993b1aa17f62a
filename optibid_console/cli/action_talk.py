"""The conversation with an engine about one action: start it or attach to it, follow it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.cli.action_report import Report
from optibid_console.cli.action_result import (
    Result,
    all_the_same,
    by_hand,
    over,
    stopped,
    unconfirmed,
)
from optibid_console.launch_clock import format_span
from optibid_console.permit import awaits_confirmation, forced_words, permit
from optibid_console.preflight import CHECKING, anyway_words
from optibid_console.rehearsing import mismatch
from optibid_console.runbook.model import ROLLBACK
from optibid_console.signals import Output
from optibid_console.source import CaughtUp, ControlSource, Ended, Lost, Role, Snapshot
from optibid_console.state import ActionState, WindowState

DONE = "done"
"""The decision on a step that a person does: it is done."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of the engine."""

    action_id: str
    confirm: str = ""
    decide: str = ""
    """`retry`, `skip`, `stop`, `done`, or empty."""
    reason: str = ""
    take_over: str = ""
    seen: str = ""
    """The action run that was under way when the command was given: whatever became of it
    meanwhile, it is that one which is followed."""
    again: str = ""
    """The command line that comes back to this action, for what to do next."""
    rehearsal: bool = False


class ActionTalk:
    """Holds one conversation; `state` is the window as far as it was told."""

    def __init__(self, source: ControlSource, wish: Wish, report: Report) -> None:
        self.state = WindowState()
        self.asked = False
        """Whether the engine was asked to start it: it may have, whatever came back."""
        self._source = source
        self._wish = wish
        self._report = report
        self._role = Role(False)
        self._caught_up = False
        self._ended = ""
        self._news = asyncio.Event()
        self._kept: list[e.Entry | Output] = []
        """What was told since the last action started, until it is known to be the one."""
        self._followed = ""
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ActionTalk:
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *raised: object) -> None:
        assert self._reading is not None  # entered
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def hold(self) -> Result:
        """Until there is an outcome, or something that only a person can decide.

        Raises `SourceError` when the engine can't be reached at all.
        """
        assert self._reading is not None  # entered
        talking = asyncio.create_task(self._talk())
        try:
            await asyncio.wait((self._reading, talking), return_when=asyncio.FIRST_COMPLETED)
            if self._reading.done():
                self._reading.result()  # raises why the engine can't be reached
            return await talking
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    def left_behind(self, exit_status: int) -> Result:
        """What to say when the conversation is ended from outside: nothing is stopped by it."""
        under_way = self.state.action()
        if under_way is not None and under_way.action_run == self._followed:
            said = f"interrupted: {under_way.action_id} goes on; this comes back to it"
            return Result(exit_status, said, (self._wish.again,))
        if self.asked:
            said = "interrupted while it was being started: this shows whether it was"
            return Result(exit_status, said, (self._wish.again,))
        return Result(exit_status, "interrupted: nothing was started by this command")

    async def end_engine(self) -> bool:
        """Ask the engine to end, should nobody else need it; whether it does."""
        if not self._role.operator and not self._role.holder:
            await self._source.send(c.TakeOver())
        reply = await self._source.send(c.StopEngine(f"{self._wish.action_id} is over", True))
        return isinstance(reply, c.Accepted)

    # What comes

    async def _read(self) -> None:
        async for event in self._source.events():
            match event:
                case e.Entry():
                    self.state = self.state.apply(event)
                    self._take(event)
                case Output():
                    self._take(event)
                case Snapshot():
                    self.state = event.state
                case Role():
                    self._role = event
                case CaughtUp():
                    self._caught_up = True
                case Lost():
                    self._report.note(f"{event.why}; retry {event.attempt}")
                case Ended():
                    self._ended = event.reason
            self._news.set()
        self._ended = self._ended or "the feed is over"
        self._news.set()

    def _take(self, one: e.Entry | Output) -> None:
        if self._followed:
            self._tell(one)
            return
        if isinstance(one, e.Entry) and isinstance(one.fact, e.ActionStarted):
            self._kept.clear()
            self._kept.append(one)
        elif self._kept:
            self._kept.append(one)

    def _tell(self, one: e.Entry | Output) -> None:
        if isinstance(one, Output):
            run = self.state.runs.get(one.run_id)
            if run is not None and run.action_run == self._followed:
                self._report.output(one, self.state)
        else:
            self._report.entry(one, self.state)

    async def _next(self) -> None:
        self._news.clear()
        await self._news.wait()

    # What is said

    async def _talk(self) -> Result:
        while not (self._caught_up or self._ended):
            await self._next()
        if self._ended:
            return Result(4, f"the engine ended: {self._ended}")
        if self.state.rehearsal != self._wish.rehearsal:
            return Result(3, mismatch(self._wish.rehearsal))
        under_way = self.state.action()
        if under_way is None or under_way.action_id != self._wish.action_id:
            seen = self.state.actions.get(self._wish.seen)
            if seen is not None and not self._wish.decide:
                return await self._follow(seen, attached=True)
            return await self._start()
        if self._wish.decide:
            return await self._decide(under_way)
        return await self._follow(under_way, attached=True)

    async def _start(self) -> Result:
        wish = self._wish
        action = self.state.runbook.action(wish.action_id) if self.state.runbook else None
        if action is None:
            return Result(2, f"no action {wish.action_id!r} in this window's runbook")
        if wish.decide:
            return Result(3, f"{action.id} isn't under way: there is nothing to decide")
        refused = unconfirmed(self.state, action, wish.confirm) or await self._drive()
        if refused:
            return Result(3, refused)
        known = len(self.state.actions)
        forced = forced_words(action)
        start = c.StartAction(
            action.id,
            wish.confirm,
            forced=action.id == ROLLBACK and wish.confirm in (forced, anyway_words(forced)),
            anyway=wish.confirm.endswith(anyway_words("")) and wish.confirm != action.confirm,
        )
        if action.ready_when and not start.anyway and not self.state.rehearsal:
            self._report.note(CHECKING)
        self.asked = True
        reply = await self._source.send(start)
        if isinstance(reply, c.Refused):
            self.asked = False
            other = self.state.action()
            if other is not None and other.action_id == action.id:
                return await self._follow(other, attached=True)
            said = f"{action.id} was not started: {reply.why}"
            return Result(3, said, all_the_same(wish.again, reply.words))
        while self.state.seq < reply.seq and not self._ended:
            await self._next()
        begun = list(self.state.actions.values())[known:]
        mine = [one for one in begun if one.action_id == action.id]
        if not mine:
            return Result(4, f"the engine ended: {self._ended}")
        return await self._follow(mine[-1], attached=False)

    async def _drive(self) -> str:
        """Become the operator; why that isn't so, or nothing."""
        if self._role.operator:
            return ""
        holder, since = self._role.holder, self._role.since
        if holder and not self._wish.take_over:
            span = format_span(max(self.state.at - since, 0.0))
            return (
                f"{holder} drives this window, for {span}: ask there, or take it over with "
                f'--take-over "REASON"'
            )
        reply = await self._source.send(c.TakeOver(self._wish.take_over))
        if isinstance(reply, c.Refused):
            return f"this window can't be driven: {reply.why}"
        return ""

    async def _decide(self, under_way: ActionState) -> Result:
        wish = self._wish
        waiting = awaits_confirmation(self.state)
        command: c.Command
        if wish.decide == DONE:
            if not waiting:
                return Result(3, f"{under_way.action_id} waits for nobody")
            command = c.RunStep(waiting, wish.reason)
        else:
            command = c.Decide(under_way.action_run, e.Choice(wish.decide), wish.reason)
        refused = permit(self.state, command) or await self._drive()
        if refused:
            return Result(3, refused)
        reply = await self._source.send(command)
        if isinstance(reply, c.Refused):
            return Result(3, reply.why)
        while self.state.seq < reply.seq and not self._ended:
            await self._next()
        if wish.decide == DONE:  # its evidence may be taken first
            while awaits_confirmation(self.state) == waiting and not self._ended:
                await self._next()
        return await self._follow(self.state.actions[under_way.action_run], attached=True)

    async def _follow(self, action: ActionState, *, attached: bool) -> Result:
        self._followed = action.action_run
        self._report.following(self.state, action, attached)
        kept, self._kept = self._kept, []
        for one in kept:
            self._tell(one)
        while True:
            result = self._result(self.state.actions[action.action_run])
            if result is not None:
                return result
            if self._ended:
                said = f"the engine ended: {self._ended}; {action.action_id} goes on with the next"
                return Result(4, said, (self._wish.again,))
            await self._next()

    # How it ends

    def _result(self, action: ActionState) -> Result | None:
        if action.outcome is not None:
            return over(self.state, action)
        if action.stopped_at_step:
            return stopped(self.state, action, self._wish.again)
        waiting = awaits_confirmation(self.state)
        if waiting in action.steps and not self.state.rehearsal:  # there it is only walked
            return by_hand(self.state, action, waiting, self._wish.again)
        return None
