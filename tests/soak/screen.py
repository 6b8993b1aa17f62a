"""A screen without a terminal: drives its window until the step has its outcome.

Its log, a JSON line an event, is what a person would have seen; it is whole up to the byte
when the process is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from optibid_console import engine_record
from optibid_console.commands import RunStep, TakeOver
from optibid_console.entries import Outcome
from optibid_console.feed.client import FeedSource
from optibid_console.signals import Missed, Output, Pulse
from optibid_console.source import Event, Lost, SourceError
from optibid_console.state import ACTIVE, OVER
from screens.view import View

STEP = "1.1"
_LATEST_PULSES = 3


class Screen:
    """One life of a screen."""

    def __init__(self, journal: Path, log: Path) -> None:
        self._journal = journal
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._view = View("ann")
        self._source = FeedSource(self._dial, "ann", "drive")
        self._asking: asyncio.Task[None] | None = None
        self._pulses_after = 0

    async def look(self) -> None:
        """Until the step has its outcome and all of its output was seen."""
        while True:
            try:
                async with aclosing(self._source.events()) as events:
                    async for event in events:
                        self._took(event)
                        if self._seen_all(event):
                            self._note(what="settled")
                            return
            except SourceError as error:  # its engine is being started
                self._note(what="no engine", why=str(error))
                await asyncio.sleep(0.1)
                self._source = FeedSource(self._dial, "ann", "drive", self._view.state.seq)

    async def _dial(self) -> Path:
        record = engine_record.find(self._journal)
        if record is None:
            raise SourceError("no engine runs")
        return Path(record.socket)

    def _took(self, event: Event) -> None:
        self._view.take(event)
        match event:
            case Output(run_id=run_id, offset=offset, data=data, stream=stream):
                self._note(what="output", run=run_id, offset=offset, data=data.hex(), stream=stream)
            case Lost() | Missed():
                self._note(what=type(event).__name__.lower(), why=repr(event))
        if not isinstance(event, Output | Pulse) and self._view.caught_up:
            self._ask()

    def _ask(self) -> None:
        """What a person does: take the window when nobody has it, run the step, once more when
        it was refused."""
        if self._asking is not None and not self._asking.done():
            return
        step = self._view.state.step(STEP)
        role = self._view.role
        if step.status in ACTIVE | OVER or self._outcome() is not None or role is None:
            return
        if role.operator:
            self._asking = asyncio.create_task(self._send(RunStep(STEP)))
        elif not role.holder:
            self._asking = asyncio.create_task(self._send(TakeOver("")))

    async def _send(self, command: RunStep | TakeOver) -> None:
        reply = await self._source.send(command)
        self._note(what="asked", command=repr(command), reply=repr(reply))

    def _outcome(self) -> Outcome | None:
        """The step's last word; a refusal isn't one."""
        step = self._view.state.step(STEP)
        return None if step.outcome is Outcome.REFUSED else step.outcome

    def _seen_all(self, event: Event) -> bool:
        state = self._view.state
        step = state.step(STEP)
        if step.status in ACTIVE or self._outcome() is None:
            return False
        ended = state.runs[step.run_id].ended
        output = self._view.outputs.get(step.run_id)
        whole = ended is not None and output is not None
        if whole and output.next_offset >= ended.output_bytes:
            return True
        self._pulses_after += isinstance(event, Pulse)
        return self._pulses_after >= _LATEST_PULSES  # no more will come: the log shows the gap

    def _note(self, **said: Any) -> None:
        line = json.dumps({"at": round(time.time(), 3), **said}) + "\n"
        os.write(self._log, line.encode())


def main(arguments: list[str]) -> None:
    """`JOURNAL LOG`"""
    asyncio.run(Screen(Path(arguments[0]), Path(arguments[1])).look())
