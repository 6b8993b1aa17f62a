"""`action`: what a key does, without a screen: the same guards, the same journal."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import time
from argparse import Namespace
from dataclasses import replace

from optibid_console import engine_record, paths
from optibid_console.cli.action_report import Report, report_for
from optibid_console.cli.action_result import Result, unconfirmed
from optibid_console.cli.action_talk import ActionTalk, Wish
from optibid_console.cli.chosen_journal import chosen_journal
from optibid_console.cli.failure import FAILURES, failure
from optibid_console.cli.person import name_of
from optibid_console.cli.talk import engine_of
from optibid_console.engine.opening import opening
from optibid_console.engine_process import until_gone
from optibid_console.entries import GENESIS, seal
from optibid_console.journal.journal import JournalAway
from optibid_console.journal.places import entries_of, exists
from optibid_console.journal_place import Place
from optibid_console.plan import preview
from optibid_console.rehearsing import mismatch
from optibid_console.runbook.load import Loaded, load
from optibid_console.state import WindowState, fold
from probes.text import one_line


def action(options: Namespace) -> int:
    """Start an action or attach to it, and follow it; the last that it says is its result."""
    report = report_for(as_json=options.json)
    try:
        result = _action(options, report)
    except FAILURES as error:
        result = failure(error)
    report.result(result)
    return result.exit_status


def _action(options: Namespace, report: Report) -> Result:
    loaded = load(options.config, os.environ)
    journal = chosen_journal(options, loaded)
    try:
        state = _window(loaded, journal, options)
    except ValueError as error:
        return Result(2, str(error))
    except JournalAway as error:
        if engine_record.find(journal) is None:
            raise
        report.note(f"{error}; the engine here says what can be done")
        return asyncio.run(
            _with_engine(options, loaded, journal, _wish(options, journal, ""), report)
        )
    refused = _before(options, state, journal, report)
    if refused is not None:
        return refused
    under_way = state.action()
    mine = under_way is not None and under_way.action_id == options.action
    wish = _wish(options, journal, state.action_run if mine else "")
    return asyncio.run(_with_engine(options, loaded, journal, wish, report))


def _window(loaded: Loaded, journal: Place, options: Namespace) -> WindowState:
    """The window as recorded, or as it would be opened. Raises `ValueError` for a bad T-0."""
    state = fold(entries_of(journal)) if exists(journal) else WindowState()
    if state.seq == 0:
        now = time.time()
        opened = opening(loaded, options.t0 or "", now, rehearsal=options.rehearse)
        return fold([seal(1, now, 0.0, name_of(options), opened, GENESIS)])
    if options.accept_runbook and state.digest != loaded.digest:
        return replace(state, runbook=loaded.runbook, digest=loaded.digest)
    return state


def _before(
    options: Namespace, state: WindowState, journal: Place, report: Report
) -> Result | None:
    """Why no engine is needed: no such action, nothing to attach to, or not confirmed."""
    if state.rehearsal != options.rehearse:
        return Result(3, mismatch(options.rehearse))
    runbook = state.runbook
    spec = runbook.action(options.action) if runbook else None
    if runbook is None or spec is None:
        known = ", ".join(one.id for one in runbook.actions) if runbook else ""
        return Result(2, f'no action "{one_line(options.action)}"; actions are {known or "none"}')
    under_way = state.action()
    if under_way is not None and under_way.action_id == spec.id:
        return None
    if options.decide:
        return Result(3, f"{spec.id} isn't under way: there is nothing to decide")
    shown = preview(state, spec.id, time.time())
    if engine_record.find(journal) is None:
        unseen = "not probed now: no engine runs this window"
        shown = replace(shown, not_ready=(*shown.not_ready, unseen))
    refused = unconfirmed(state, spec, options.confirm)
    if shown.refused:
        refused = f"{spec.id} can't be started: {shown.refused}"
    if not refused:
        return None
    if not options.confirm:
        report.plan(shown)
    return Result(3, refused)


async def _with_engine(
    options: Namespace, loaded: Loaded, journal: Place, wish: Wish, report: Report
) -> Result:
    source, record, started = await engine_of(options, loaded, journal)
    talk = ActionTalk(source, wish, report)
    try:
        async with talk:
            result = await _until_told(talk)
            ends = started and await talk.end_engine()
    finally:
        await source.close()
    if ends:
        await until_gone(record)
    return result


def _wish(options: Namespace, journal: Place, seen: str) -> Wish:
    again = shlex.join(
        [paths.APP, "action", options.action, "-c", str(options.config), "--journal", str(journal)]
        + ["--rehearse"] * options.rehearse
    )
    return Wish(
        options.action, options.confirm, options.decide or "", options.reason, options.take_over,
        seen, again, options.rehearse,
    )  # fmt: skip


async def _until_told(talk: ActionTalk) -> Result:
    """The conversation's result, or what is left behind when INT or TERM ends it."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[int] = loop.create_future()

    def tell(number: int) -> None:
        if not told.done():
            told.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell, number)
    holding = asyncio.create_task(talk.hold())
    try:
        await asyncio.wait((holding, told), return_when=asyncio.FIRST_COMPLETED)
        return holding.result() if holding.done() else talk.left_behind(128 + told.result())
    finally:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
