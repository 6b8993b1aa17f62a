"""What needs no screen: `hold`, `resume`, `step`, `skip`, `waive`, `adopt`, `jump`, `abort` and
`forward`.

The same guards and the same journal; the engine decides.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable
from dataclasses import replace

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console import paths
from optibid_console.aborting import nothing_to_stop, to_stop
from optibid_console.action_plan import missing_facts, shown
from optibid_console.adopting import adopt_words, names_in
from optibid_console.cli.action_report import Report, report_for
from optibid_console.cli.action_result import Result, exit_status
from optibid_console.cli.chosen_journal import chosen_journal
from optibid_console.cli.failure import FAILURES, failure
from optibid_console.cli.person import name_of
from optibid_console.cli.talk import EngineGone, Talk, with_engine
from optibid_console.database.migrated import listed
from optibid_console.journal.places import entries_of, exists
from optibid_console.journal_place import Place
from optibid_console.jumping import in_words, route
from optibid_console.launch_clock import format_span
from optibid_console.permit import awaits_confirmation, permit
from optibid_console.printed import say
from optibid_console.runbook.load import Loaded, load
from optibid_console.runbook.model import Step, StepKind
from optibid_console.signals import Output
from optibid_console.state import ACTIVE, ActionState, StepState, StepStatus, WindowState, fold
from optibid_console.waiving import relies_on_waived, waive_words
from probes.text import one_line, plain_line

_INTERRUPTED = "interrupted: {} was asked for and goes on; `status` says where the window is"


def control(options: Namespace) -> int:
    """0 done, 1 failed, 2 bad input, 3 refused or not confirmed, 4 unknown."""
    report = report_for(as_json=options.json)
    try:
        result = _control(options, report)
    except FAILURES as error:
        result = failure(error, _INTERRUPTED.format(options.command))
    report.result(result)
    return result.exit_status


def _control(options: Namespace, report: Report) -> Result:
    loaded = load(options.config, os.environ)
    journal = chosen_journal(options, loaded)
    state = fold(entries_of(journal)) if exists(journal) else WindowState()
    if state.seq == 0:
        return Result(3, "no window is open: `optibid-console run` opens one")
    options.rehearse = state.rehearsal
    if options.accept_runbook and state.digest != loaded.digest:
        state = replace(state, runbook=loaded.runbook, digest=loaded.digest)
    step_id = getattr(options, "step", "")
    if step_id and state.runbook and state.runbook.phase_of(step_id) is None:
        known = ", ".join(step.id for _, step in state.runbook.steps())
        return Result(2, f'no step "{one_line(step_id)}" in the phases; steps are {known}')
    if options.command == "waive" and options.confirm != step_id:
        waiver = c.AskWaiver(options.step, options.reason)
        return _unconfirmed(state, options, waiver, f"to go on without {step_id}, alone")
    if options.command == "adopt" and options.confirm != options.database:
        names = names_in(" ".join(options.names))
        words = adopt_words(options.database)
        adoption = c.AdoptMigrations(options.database, names, options.reason, words)
        to = f"to record {listed(names)} as applied, without running anything"
        return _unconfirmed(state, options, adoption, to)
    if options.command == "step":
        return _step(options, loaded, journal, state, report)
    command = _command(options, state)
    if command is None:
        return Result(3, nothing_to_stop(state))
    # what the moment decides is the engine's to say; what can't be right needs no engine
    refused = permit(replace(state, at=time.time()), command)
    if refused:
        return Result(3, f"{options.command} isn't possible: {refused}")
    way = in_words(route(state, step_id)) if isinstance(command, c.Jump) else ""
    said: list[str] = []
    _talk(options, loaded, journal, report, lambda talk: _asked(talk, command, said))
    return Result(0, _done(options, way) or said[0])


def _unconfirmed(state: WindowState, options: Namespace, asked: c.Command, to: str) -> Result:
    """Returns why a command can't be done at all, else how it is confirmed."""
    refused = permit(replace(state, at=time.time()), asked)
    if refused:
        return Result(3, f"{options.command} isn't possible: {refused}")
    word = getattr(options, "step", "") or options.database
    return Result(3, f"type --confirm {shlex.quote(word)} {to}")


def _command(options: Namespace, state: WindowState) -> c.Command | None:
    """Returns what is asked of the engine; None where there is nothing to abort."""
    reason: str = getattr(options, "reason", "")
    match options.command:
        case "abort":
            wanted = to_stop(state)
            if isinstance(wanted, ActionState):
                return c.StopAction(wanted.action_run)
            return c.Abort(wanted.run_id) if wanted is not None else None
        case "forward":
            return c.GoForward(options.confirm, reason)
        case "hold":
            return c.Hold(reason)
        case "resume":
            return c.Resume(reason)
        case "skip":
            return c.SkipStep(options.step, reason)
        case "adopt":
            names = names_in(" ".join(options.names))
            return c.AdoptMigrations(options.database, names, reason, adopt_words(options.confirm))
        case "waive":
            return c.WaiveStep(options.step, reason, waive_words(options.confirm))
        case _:
            return c.Jump(options.step, reason)


def _done(options: Namespace, way: str) -> str:
    name = name_of(options)
    match options.command:
        case "hold":
            return f"the window is held by {name}: {options.reason}"
        case "resume":
            return "the window goes on; what is left has shifted by the time that it was held"
        case "skip":
            return f"{options.step} is skipped by {name}: {options.reason}"
        case "waive":
            return f"{options.step} is waived by {name} alone: {options.reason}"
        case "forward":
            return "the window goes forward again; nothing was run by it"
        case "abort" | "adopt":
            return ""  # the engine says what was told to end, or recorded
        case _:
            return f"the window goes on from {options.step}: {way}; nothing was run by it"


async def _asked(talk: Talk, command: c.Command, said: list[str]) -> None:
    said.append(await talk.ask(command))


def _talk(
    options: Namespace,
    loaded: Loaded,
    journal: Place,
    report: Report,
    do: Callable[[Talk], Awaitable[None]],
) -> None:
    """Become the operator, then `do` it. Raises `Declined`, `SourceError`, `Interrupted`."""

    def heard(one: e.Entry | Output, state: WindowState) -> None:
        if options.command != "step":
            return
        if isinstance(one, Output):
            report.output(one, state)
        else:
            report.entry(one, state)

    async def work(talk: Talk, started: bool) -> None:
        await talk.drive(options.take_over)
        await do(talk)

    asyncio.run(with_engine(options, loaded, journal, heard, report.note, work))


# A step


def _step(
    options: Namespace, loaded: Loaded, journal: Place, state: WindowState, report: Report
) -> Result:
    step = state.runbook.step(options.step) if state.runbook else None
    assert step is not None  # looked up before
    under_way = state.step(step.id).status in ACTIVE and not awaits_confirmation(state)
    refused = "" if under_way else permit(replace(state, at=time.time()), c.RunStep(step.id))
    if refused:
        return Result(3, f"{step.id} can't be run: {refused}")
    if not under_way and options.confirm != step.id:
        if not options.json:
            say(*_what(state, step))
        return Result(3, f"type --confirm {shlex.quote(step.id)} to run it")
    ended: list[StepState] = []

    async def do(talk: Talk) -> None:
        before = talk.state.step(step.id)
        if before.status not in ACTIVE or awaits_confirmation(talk.state) == step.id:
            await talk.ask(c.RunStep(step.id, options.reason))
            runs = before.attempt + (0 if before.status in ACTIVE else 1)
        else:
            runs = before.attempt
        after = await talk.until(
            lambda state: (
                state.step(step.id).attempt >= runs and state.step(step.id).outcome is not None
            )
        )
        ended.append(after.step(step.id))

    try:
        _talk(options, loaded, journal, report, do)
    except EngineGone as gone:
        again = shlex.join([paths.APP, "step", step.id, "-c", str(options.config), "--journal",
                            str(journal)])  # fmt: skip
        return Result(4, f"{gone}; {step.id} goes on on its target", (again,))
    return _ended(step, ended[0])


def _ended(step: Step, seen: StepState) -> Result:
    outcome = seen.outcome
    took = format_span(seen.finished_at - seen.started_at)
    why = f": {seen.reason}" if seen.reason else ""
    said = f"{step.id} {outcome.value if outcome else ''} after {took}{why}"
    if seen.status is StepStatus.UNSETTLED:
        said += "; nobody knows how it ended: `optibid-console attach` settles it"
    return Result(exit_status(outcome), said)


def _what(state: WindowState, step: Step) -> list[str]:
    """What it would do: its command as it will be run, where, for how long, what proves it."""
    where = f" on {step.on}" if step.on else ""
    lines = [one_line(f"{step.id} {step.title}{where}", 400)]
    if step.kind.launches:
        text = shown(state, step.run).rstrip("\n")
        lines += [f"  {plain_line(one)}" for one in text.split("\n")]
    elif step.kind is StepKind.WAIT:
        lines.append(f"  waits until {', '.join(step.wait_for)} read ok")
    else:
        lines.append(one_line(f"  by hand: {step.note or 'a person confirms it'}", 400))
    if step.evidence:
        lines.append(f"  proved by {', '.join(step.evidence)}")
    waived = relies_on_waived(state, step, missing_facts(state, step.run))
    lines += [one_line(f"  ! {one}", 400) for one in waived]
    expected, most = format_span(step.expect_duration), format_span(step.timeout)
    return [*lines, f"  expected {expected}, at most {most}"]
