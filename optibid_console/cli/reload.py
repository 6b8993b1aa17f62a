"""`reload`: the runbook of a running engine, changed in mid-window.

The same guards and the same journal as the palette; the engine reads, compares and decides.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console import paths
from optibid_console.cli.action_report import Report, report_for
from optibid_console.cli.action_result import Result
from optibid_console.cli.failure import FAILURES, failure
from optibid_console.cli.person import name_of
from optibid_console.cli.talk import Talk, unless_interrupted
from optibid_console.codec import to_plain
from optibid_console.engine_process import ANSWER_S, silent
from optibid_console.engine_record import EngineRecord, running
from optibid_console.feed.client import FeedSource
from optibid_console.feed.socket_file import responds
from optibid_console.journal_place import Address, Place, place_of
from optibid_console.printed import say, say_json
from optibid_console.runbook.difference import RunbookDifference
from optibid_console.signals import Output
from optibid_console.state import WindowState
from probes.text import counted, plain_line

_DIGITS = 12
"""So many digits of a digest are shown, and typed."""


def reload(options: Namespace) -> int:
    """0 done, 1 failed, 2 bad input, 3 refused or not confirmed, 4 unknown."""
    report = report_for(as_json=options.json)
    try:
        result = _reload(options, report)
    except FAILURES as error:
        result = failure(error, "interrupted: `status` says by which runbook the window goes")
    report.result(result)
    return result.exit_status


def _reload(options: Namespace, report: Report) -> Result:
    config = options.config.resolve()
    found = [one for one in running() if _is_meant(one, options.journal, config)]
    if not found:
        where = options.journal or options.config
        return Result(
            3, f"no engine here runs a window of {where}: `{paths.APP} run --accept-runbook` goes "
            "on with one by the runbook as it is now"
        )  # fmt: skip
    if len(found) > 1:
        journals = ", ".join(one.journal for one in found)
        return Result(2, f"several windows run here, name one with --journal: {journals}")
    (record,) = found
    if config.exists() and str(config) != record.config:
        return Result(
            2, f"the engine of this window reads {record.config}, not {config}: change that file, "
            f"then give -c {record.config}"
        )  # fmt: skip
    if not responds(Path(record.socket), ANSWER_S):
        return Result(3, silent(record))
    return asyncio.run(_talked(options, record, report))


def _is_meant(record: EngineRecord, journal: Place | None, config: Path) -> bool:
    if journal is None:
        return record.config == str(config)
    place = place_of(record.journal)
    if isinstance(journal, Address):
        whole = bool(journal.window)
        return isinstance(place, Address) and journal == (place if whole else place.named(""))
    return place == place_of(str(journal.resolve()))


async def _talked(options: Namespace, record: EngineRecord, report: Report) -> Result:
    def heard(one: e.Entry | Output, state: WindowState) -> None:
        """What else happens meanwhile isn't this command's."""

    source = FeedSource(Path(record.socket), name_of(options), "watch")
    try:
        async with Talk(source, heard, report.note) as talk:
            return await unless_interrupted(_asked(talk, options))
    finally:
        await source.close()


async def _asked(talk: Talk, options: Namespace) -> Result:
    """Look, and go by what was confirmed. Raises `Declined`, `SourceError`."""
    looked = await talk.accepted(c.LookAtRunbook())
    difference = looked.runbook
    if difference is None or difference.empty:
        return Result(0, looked.said)
    digest = difference.digest[:_DIGITS]
    if not options.confirm or difference.refused:
        _show(difference, as_json=options.json)
    if difference.refused:
        return Result(3, f"reload isn't possible: {difference.refused}")
    if not options.confirm:
        return Result(3, f"type --confirm {digest} to go by it")
    if len(options.confirm) < _DIGITS or not difference.digest.startswith(options.confirm):
        name = Path(difference.file).name
        return Result(
            3, f"{name} isn't what was confirmed, its digest is {digest}: without --confirm its "
            "changes are shown"
        )  # fmt: skip
    await talk.drive(options.take_over)
    said = await talk.ask(c.ReloadRunbook(difference.digest, difference.secrets))
    count = len(difference.changes) + len(difference.secrets)
    return Result(0, f"{said}: {counted(count, 'change')}, recorded")


def _show(difference: RunbookDifference, *, as_json: bool) -> None:
    if as_json:
        say_json({"difference": to_plain(difference)})
    else:
        say(*(plain_line(line)[:400] for line in _lines(difference)))


def _lines(difference: RunbookDifference) -> Iterator[str]:
    for group, found in groupby(difference.changes, key=lambda one: one.group):
        yield f"{group}:"
        for change in found:
            yield f"  {change.text}"
            yield from (f"      {one}" for one in change.details)
    if difference.secrets:
        yield "secrets:"
        yield from (f"  ${{{name}}} has another value" for name in difference.secrets)
