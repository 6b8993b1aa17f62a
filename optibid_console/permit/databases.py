"""Adopting migrations."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console.adopting import adopt_words, why_not_pending
from optibid_console.again import earlier_backup
from optibid_console.permit.rule import Rules
from optibid_console.permit.steps import why_busy
from optibid_console.runbook.model import Runbook
from optibid_console.state import DatabaseState, WindowState


def _adopt(runbook: Runbook, state: WindowState, command: c.AdoptMigrations) -> str:
    database = runbook.databases.get(command.database)
    if database is None:
        known = ", ".join(runbook.databases) or "none"
        return f"no database {command.database!r}; databases are {known}"
    if state.rehearsal:
        return "a rehearsal changes nothing: nothing is adopted in it"
    if database.applied:
        return f"{database.id}: its applied says what it has, nothing is recorded beside it"
    known_of_it = state.databases.get(command.database, DatabaseState())
    if known_of_it.adopting is not None:
        return f"an adoption in {command.database} is under way"
    busy = why_busy(state)
    if busy:
        return busy
    if known_of_it.read is None:
        return known_of_it.unread or f"{command.database}: what is pending wasn't read yet"
    why_not = why_not_pending(command.names, known_of_it.read.pending)
    if why_not:
        return why_not
    if not command.reason.strip():
        return "adopting needs a reason: how is it known that the database has them?"
    words = adopt_words(command.database)
    return "" if command.typed == words else f"type {words!r} to record them as applied"


def _choose_backup(runbook: Runbook, state: WindowState, command: c.ChooseBackup) -> str:
    made = state.artifacts.get(command.database)
    if made is None or made.recorded.kind != "database":
        return f"this window has no verified backup of {command.database}"
    if made.recorded.path == command.path:
        return f"{command.path} is the one that rollback restores already"
    if earlier_backup(state, command.database, command.path) is None:
        return f"this window has no verified backup {command.path} of {command.database}"
    busy = why_busy(state)
    if busy:
        return busy
    return "" if command.reason.strip() else "choosing another backup needs a reason"


RULES: Rules = {c.AdoptMigrations: _adopt, c.ChooseBackup: _choose_backup}
