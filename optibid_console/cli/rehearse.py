"""`rehearse`: walks a whole rehearsal, every step and every action, and says what it found."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.cli.action_report import report_for
from optibid_console.cli.failure import FAILURES, failure
from optibid_console.cli.talk import Declined, Talk, with_engine
from optibid_console.codec import to_plain
from optibid_console.engine_process import the_journal
from optibid_console.findings import Finding, Findings, findings, in_words, migrations_known
from optibid_console.journal.places import exists, is_rehearsal
from optibid_console.journal_place import Place
from optibid_console.printed import say, say_json
from optibid_console.rehearsing import mismatch
from optibid_console.runbook.load import load
from optibid_console.runbook.model import FORWARD, ROLLBACK, Action
from optibid_console.signals import Output
from optibid_console.state import OVER, StepStatus, WindowState
from probes.text import one_line

_WALKED_ON = "rehearsal: a finding, walked on"


def rehearse(options: Namespace) -> int:
    """0 with no finding, 1 with some, 2 for bad input, 3 when somebody else drives it, 4 when
    its engine ended before the end."""
    report = report_for(as_json=options.json)
    try:
        return _rehearse(options)
    except FAILURES as error:
        result = failure(error, "interrupted: the same command goes on from here")
    report.result(result)
    return result.exit_status


def _rehearse(options: Namespace) -> int:
    loaded = load(options.config, os.environ)
    journal = the_journal(
        options.journal, options.config, loaded.runbook.window.name, loaded.digest, rehearsal=True
    )
    if exists(journal) and not is_rehearsal(journal):
        raise Declined(mismatch(rehearsal=True))
    report = report_for(as_json=options.json)

    def heard(one: e.Entry | Output, state: WindowState) -> None:
        if isinstance(one, Output):
            report.output(one, state)
            return
        if isinstance(one.fact, e.ActionStarted) and not options.json:
            say(f"{one.fact.action_id}: {', '.join(one.fact.steps)}")
        report.entry(one, state)

    async def work(talk: Talk, started: bool) -> Findings:
        await talk.drive(options.take_over)
        await talk.until(migrations_known)
        walk = Walk(talk)
        await walk.all()
        found = findings(talk.state, walk.refused)
        if started:  # else somebody has it open; the next rehearsal is a new one
            outcome = "abandoned" if found.wrong else "completed"
            await talk.ask(c.CloseWindow(outcome, "walked to its end"))
        return found

    found = asyncio.run(with_engine(options, loaded, journal, heard, report.note, work))
    return _say(found, journal, as_json=options.json)


def _say(found: Findings, journal: Place, *, as_json: bool) -> int:
    status = 1 if found.wrong else 0
    if as_json:
        said = {**to_plain(found), "journal": str(journal), "exit_status": status}
        say_json({"rehearsal": said})
        return status
    say("")
    for line in in_words(found):
        text = line.lstrip()
        say(f"{line[: len(line) - len(text)]}{one_line(text, 600)}")
    say(f"recorded in {journal}")
    return status


class Walk:
    """Goes through all phases, each step by its action where it has one, then the rest."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.refused: list[Finding] = []

    async def all(self) -> None:
        """Until nothing is left to be walked."""
        book = self._talk.state.runbook
        assert book is not None  # caught up
        tried: set[str] = set()
        for _, step in book.steps():
            if self._over(step.id):
                continue
            for action in book.actions:
                uses = step.id in action.uses and action.id not in (FORWARD, ROLLBACK)
                if uses and action.id not in tried:
                    tried.add(action.id)
                    await self._action(action)
            if not self._over(step.id):
                await self._step(step.id)
        left = [one for one in book.actions if one.id not in tried]
        for action in sorted(left, key=lambda one: (one.id != ROLLBACK, one.id != FORWARD)):
            await self._action(action)

    def _over(self, step_id: str) -> bool:
        return self._talk.state.step(step_id).status in OVER

    async def _step(self, step_id: str) -> None:
        """One step; a read that fails is a finding, and the way goes on past it."""
        if self._talk.state.step(step_id).status is not StepStatus.FAILED:
            try:
                await self._talk.ask(c.RunStep(step_id))
            except Declined as why:
                self.refused.append(Finding(step_id, f"can't be started: {why}"))
            else:
                await self._talk.until(lambda state: state.step(step_id).outcome is not None)
        if not self._over(step_id):
            await self._talk.ask(c.SkipStep(step_id, _WALKED_ON))

    async def _action(self, action: Action) -> None:
        known = len(self._talk.state.actions)
        try:
            await self._talk.ask(c.StartAction(action.id, action.confirm or action.id))
        except Declined as why:
            self.refused.append(Finding(action.id, f"can't be started: {why}"))
            return
        state = await self._talk.until(lambda state: len(state.actions) > known)
        action_run = list(state.actions)[-1]
        await self._talk.until(lambda state: state.actions[action_run].outcome is not None)
