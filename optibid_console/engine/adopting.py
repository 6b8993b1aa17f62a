"""Migrations that a database has and doesn't record: recorded as applied, because somebody says
so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import psycopg

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.adopting import why_not_pending
from optibid_console.database.migrated import listed
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.life import Life
from optibid_console.engine.operations.databases import Database, DatabaseAway
from probes.text import counted

_AGAIN_S = 1.0
_REPLY_WITHIN_S = 12.0


class Adopting:
    """Writes the rows of an adoption, at most once, and records what became of it."""

    def __init__(
        self, databases: Callable[[], Mapping[str, Database]], ledger: Ledger, life: Life
    ) -> None:
        """`databases`: those of the runbook that the window goes by now."""
        self._databases = databases
        self._ledger = ledger
        self._life = life
        self._ready: dict[c.AdoptMigrations, tuple[e.AdoptionBegun, Mapping[str, str]]] = {}
        self._ended: dict[str, asyncio.Task[e.AdoptionEnded]] = {}

    def take_up(self, lost: str = "the engine that adopted them ended") -> None:
        """Go on with adoptions that were begun and that nobody carries out (`lost`: why): their
        rows are there or not, and nothing is written again."""
        for name, known in self._ledger.state.databases.items():
            if known.adopting is not None and name in self._databases():
                self._life.spawn(self._settle(self._databases()[name], known.adopting, lost))

    async def why_not(self, command: c.AdoptMigrations) -> str:
        """Reads what is pending and the files' checksums; returns why nothing can be adopted."""
        database = self._databases()[command.database]
        try:
            found = await database.migrations()
            why_not = why_not_pending(command.names, found.pending)
            if not why_not and found.lacks:
                why_not = f"schema_migrations lacks {', '.join(found.lacks)}"
            if why_not:
                return f"{why_not}; nothing was recorded"
            files = await database.checksums(command.names)
        except DatabaseAway as away:
            return f"{away}; nothing was recorded"
        begun = e.AdoptionBegun(command.database, files, command.reason, found.release)
        self._ready[command] = begun, found.versions
        return ""

    async def begin(self, command: c.AdoptMigrations, by: str) -> None:
        """Record that it begins, then write beside everything else. Raises `JournalError`."""
        begun, versions = self._ready.pop(command)
        await self._ledger.record(begun, by)
        task = asyncio.create_task(self._write(begun, versions, by))
        self._ended[begun.database] = task
        self._life.keep(task)

    async def reply(self, command: c.AdoptMigrations) -> c.Reply:
        """Returns what became of it, or that nobody knows yet."""
        task = self._ended[command.database]
        await asyncio.wait({task}, timeout=_REPLY_WITHIN_S)
        if not task.done() or task.cancelled() or task.exception() is not None:
            return c.Refused(
                f"{command.database} doesn't answer: whether they are recorded isn't known; the "
                "journal gets it as soon as the database says so"
            )
        ended = task.result()
        if ended.problem:
            return c.Refused(f"{ended.problem}; nothing was recorded")
        said = f"{counted(len(ended.names), 'migration')} recorded as applied"
        return c.Accepted(f"{said}: {listed(ended.names)}", self._ledger.state.seq)

    async def _write(
        self, begun: e.AdoptionBegun, versions: Mapping[str, str], by: str
    ) -> e.AdoptionEnded:
        database = self._databases()[begun.database]
        try:
            await database.adopt(
                [(versions[name], name, digest) for name, digest in begun.files.items()]
            )
        except DatabaseAway as away:
            cause = away.__cause__
            if not isinstance(cause, psycopg.Error) or cause.sqlstate is None:
                return await self._settle(database, begun, str(away), by)
            return await self._end(begun, str(away), by)
        return await self._end(begun, "", by)

    async def _settle(
        self, database: Database, begun: e.AdoptionBegun, lost: str, by: str = e.CONSOLE
    ) -> e.AdoptionEnded:
        """What became of it, by the database: it is one transaction, all of it or nothing."""
        while True:
            try:
                found = await database.migrations()
            except DatabaseAway:
                await asyncio.sleep(_AGAIN_S)
                continue
            there = all(name in found.applied for name in begun.files)
            return await self._end(begun, "" if there else lost, by)

    async def _end(self, begun: e.AdoptionBegun, problem: str, by: str) -> e.AdoptionEnded:
        ended = e.AdoptionEnded(begun.database, tuple(begun.files), problem)
        await self._ledger.keep(ended, by)
        return ended
