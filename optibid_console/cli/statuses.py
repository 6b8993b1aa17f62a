"""`status`: from a running engine's journal, or from one that nobody runs."""

from __future__ import annotations

import os
from argparse import Namespace

from optibid_console import engine_record, paths
from optibid_console.journal.places import entries_of, exists, newest
from optibid_console.journal_place import Place, place_of
from optibid_console.printed import say, say_json
from optibid_console.runbook.load import load
from optibid_console.state import fold
from optibid_console.status import WindowStatus, describe, lines


def status(options: Namespace) -> int:
    """Print where the windows are. Reads their journals; asks and changes nothing else."""
    if options.config and (options.where or options.all):
        say("optibid-console: status takes one of JOURNAL, -c FILE and --all", err=True)
        return 2
    journals = _journals(options)
    found = [_status(journal) for journal in journals]
    if options.json and options.all:
        say_json([one.to_plain() for one in found])
        return 0
    if not found:
        say("no window runs here, and none is recorded", err=True)
        return 1
    if options.json:
        say_json(found[-1].to_plain())
        return 0
    for number, one in enumerate(found):
        say(*([""] if number else []), *lines(one))
    return 0


def _journals(options: Namespace) -> list[Place]:
    """Returns the journals that are asked about, the newest last. Raises `RunbookError`."""
    if options.config:
        name = load(options.config, os.environ).runbook.window.name
        newest_of_config = paths.journal_for(options.config, name, lambda _: False)
        return [newest_of_config] if exists(newest_of_config) else []
    if options.where:
        return [newest(place_of(options.where))]
    running: list[Place] = [place_of(one.journal) for one in engine_record.running()]
    if running or options.all:
        return running
    kept = sorted(paths.windows_dir().glob("*.journal"), key=lambda one: one.stat().st_mtime)
    return list(kept[-1:])


def _status(journal: Place) -> WindowStatus:
    return describe(fold(entries_of(journal)), journal, engine_record.find(journal))
