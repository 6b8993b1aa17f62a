"""`share`: links to watch a window with, without a screen.

The same guards and the same journal as the palette; the engine decides.
"""

from __future__ import annotations

import asyncio
import os
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console import paths
from optibid_console.cli.action_report import report_for
from optibid_console.cli.action_result import Result
from optibid_console.cli.chosen_journal import chosen_journal
from optibid_console.cli.failure import FAILURES, failure
from optibid_console.cli.person import name_of
from optibid_console.cli.sharing import BadServe, wanted_sharing
from optibid_console.cli.talk import Declined, Talk, with_engine
from optibid_console.commands.sharing import SharingCommand
from optibid_console.engine_record import find
from optibid_console.feed.link import means
from optibid_console.journal.places import entries_of, exists
from optibid_console.journal_place import Place
from optibid_console.permit import permit
from optibid_console.printed import say, say_json
from optibid_console.runbook.load import Loaded, load
from optibid_console.signals import Output
from optibid_console.state import SharedLink, WindowState, fold
from probes.text import one_line


def share(options: Namespace) -> int:
    """0 done, 1 failed, 2 bad input, 3 refused, 4 unknown."""
    report = report_for(as_json=options.json)
    links: list[tuple[SharedLink, str]] = []
    try:
        result = _share(options, links, report.note)
    except FAILURES as error:
        result = failure(error, "interrupted: `share --list` says which links there are")
    for known, link in links:
        if options.json:
            say_json({"link": {**_plain(known, time.time()), "link": link}})
        else:
            # alone there, so that it can be taken from there
            say(link)
            say(one_line(result.said, 400), err=True)
    if options.json or not links:
        report.result(result)
    return result.exit_status


def _share(
    options: Namespace, links: list[tuple[SharedLink, str]], note: Callable[[str], None]
) -> Result:
    wanted = wanted_sharing(options)
    if wanted is not None and (options.list or options.revoke or options.stop):
        raise BadServe("--serve is for a new link: leave out --list, --revoke and --stop")
    loaded = load(options.config, os.environ)
    journal = chosen_journal(options, loaded)
    state = fold(entries_of(journal)) if exists(journal) else WindowState()
    if state.seq == 0:
        return Result(3, f"no window is open: `{paths.APP} run` opens one")
    options.rehearse = state.rehearsal
    if options.list:
        return _listed(options, state)
    asked = _commands(options, wanted, state)
    if refused := _refused(asked, wanted, state):
        return Result(3, f"share isn't possible: {refused}")
    if find(journal) is None:
        return Result(
            3, f"no engine runs this window, so nobody could watch it: `{paths.APP} run` or "
            f"`{paths.APP} engine --serve HOST:PORT` runs it"
        )  # fmt: skip
    said, link = asyncio.run(_told(options, loaded, journal, asked, note))
    if link is not None:
        links.append(link)
    return Result(0, said)


def _commands(
    options: Namespace, wanted: c.StartSharing | None, state: WindowState
) -> list[SharingCommand]:
    """What is asked of the engine, one after the other."""
    if options.revoke:
        return [c.Revoke(options.revoke)]
    if options.stop:
        return [c.StopSharing(f"{name_of(options)} stopped it")]
    new = c.Share(options.link_name.strip() or _free(state), options.lasts_s / 3600.0)
    starts = wanted is not None and state.sharing.started is None
    return [wanted, new] if wanted is not None and starts else [new]


def _free(state: WindowState) -> str:
    names = ("observers" if number == 1 else f"observers-{number}" for number in count(1))
    return next(name for name in names if name not in state.sharing.links)


def _refused(asked: list[SharingCommand], wanted: c.StartSharing | None, state: WindowState) -> str:
    """Why the engine would refuse it, as far as that is known without one."""
    started = state.sharing.started
    if wanted is not None and started is not None and not means(wanted.address, started.address):
        return f"this window is shared already, at {started.address}: leave out --serve"
    if wanted is None and started is None and isinstance(asked[0], c.Share):
        return "observers aren't listened for yet: add --serve HOST:PORT"
    state = replace(state, at=time.time())
    for command in asked:
        if refused := permit(state, command):
            return refused
        if isinstance(command, c.StartSharing):
            listening = e.SharingStarted(command.address, "")
            state = replace(state, sharing=replace(state.sharing, started=listening))
    return ""


async def _told(
    options: Namespace,
    loaded: Loaded,
    journal: Place,
    asked: list[SharingCommand],
    note: Callable[[str], None],
) -> tuple[str, tuple[SharedLink, str] | None]:
    """What the engine did, and the link when it made one. Raises `Declined`, `SourceError`,
    `Interrupted`."""

    def heard(one: e.Entry | Output, state: WindowState) -> None:
        """What else happens meanwhile isn't this command's."""

    async def work(talk: Talk, started: bool) -> tuple[str, tuple[SharedLink, str] | None]:
        if started:
            raise Declined("no engine ran this window any more, so nobody could watch it")
        await talk.drive(options.take_over)
        for command in asked:
            reply = await talk.accepted(command)
        sharing = talk.state.sharing
        match asked[-1]:
            case c.Share(name) if sharing.started is not None:
                known = sharing.links[name]
                until = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(known.expires_at))
                said = f"a link for {name}, good until {until}, at {sharing.started.address}"
                return f"{said}; it holds a token", (known, reply.link)
            case c.Revoke(name):
                return f"the link for {name} is void", None
        return "this window isn't shared any more; all its links are void", None

    return await with_engine(options, loaded, journal, heard, note, work)


def _listed(options: Namespace, state: WindowState) -> Result:
    sharing, now = state.sharing, time.time()
    links = [_plain(one, now) for one in sharing.links.values()]
    if options.json:
        address = sharing.started.address if sharing.started else None
        say_json({"sharing": {"address": address, "links": links}})
    if sharing.started is None:
        why = f": {sharing.stopped}" if sharing.stopped else ""
        return Result(0, f"this window isn't shared{why}")
    lines = [f"this window is shared at {sharing.started.address}"]
    for one in links:
        moment = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(one["expires_at"]))
        how = "expired" if one["expired"] else "until"
        lines.append(f"  {one['name']:<24} {how} {moment}  by {one['by']}")
    return Result(0, "\n".join(lines))


def _plain(one: SharedLink, now: float) -> dict[str, Any]:
    return {
        "name": one.name, "by": one.by, "at": one.at, "expires_at": one.expires_at,
        "expired": one.expires_at <= now,
    }  # fmt: skip
