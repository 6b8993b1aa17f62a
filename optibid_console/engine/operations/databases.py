"""How operations ask a database: read-only, through its target, within a deadline."""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from optibid_console.database import measures
from optibid_console.database.kept import KEPT, kept_of
from optibid_console.database.locks import HOLDERS, session_of
from optibid_console.database.measures import Measures, measures_of
from optibid_console.database.migrations import (
    CHECKSUMS,
    DIFFERING,
    LISTING,
    RELEASE_CHECKSUMS,
    RELEASE_LISTING,
    SAME,
    Migrations,
    commit_of,
    difference_words,
    files_of,
    migrations_of,
    release_of,
)
from optibid_console.database.records import (
    ADOPT,
    ASKED,
    CREATE,
    FORGET,
    HAS_TABLE,
    MOST_ROWS,
    PLACE,
    Records,
    Row,
)
from optibid_console.database.rights import RIGHTS
from optibid_console.database.schema import SCHEMA, Schema, schema_of
from optibid_console.engine.ledger import Ledger
from optibid_console.entries import KeptRead, RestoreRights
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import DatabaseSpec
from optibid_console.runbook.operations import word
from optibid_console.runbook.secrets import Secrets
from optibid_console.runbook.shell_text import fill
from optibid_console.state import DatabaseState
from optibid_console.targets.rehearsal import for_probes
from optibid_console.targets.target import Target
from probes import postgres
from probes.deadline import deadline, time_left_s
from probes.error_words import error_words
from probes.postgres_link import Link, statement_limit_ms
from probes.probe import Host, HostError, ProbeError
from probes.text import one_line

QUICK_S = 8.0
"""How long a question may take, connecting included."""

Connection = psycopg.AsyncConnection[Any]


class DatabaseAway(Exception):
    """The database didn't answer, or won't; the message says which, where and why."""


class Database:
    """One of `[databases]`, as the engine asks it. One question at a time."""

    def __init__(self, spec: DatabaseSpec, host: Host, ledger: Ledger, secrets: Secrets) -> None:
        self.spec = spec
        self._host = host
        self._ledger = ledger
        self._secrets = secrets
        self._busy = asyncio.Lock()
        self._kept: Link | None = None
        self._listed = b""
        """The last listing of a release in git."""

    @asynccontextmanager
    async def asking(self, limit_s: float = QUICK_S) -> AsyncIterator[Connection]:
        """A read-only transaction of one snapshot. Raises `DatabaseAway`.

        Nothing in it may take longer than `limit_s` altogether: the server ends what does.
        """
        async with self._busy:
            with deadline(limit_s):
                link = self._link()
                try:
                    connection = await link.connected()
                    with link.cut_off_after(time_left_s()):
                        async with connection.transaction():
                            limit_ms = statement_limit_ms(time_left_s())
                            await connection.execute(f"SET LOCAL statement_timeout = {limit_ms}")
                            await connection.execute("SET LOCAL lock_timeout = 1000")
                            yield connection
                except (psycopg.Error, OSError, ProbeError) as error:
                    await link.drop()
                    raise DatabaseAway(await self._words(error, link)) from error

    async def migrations(self) -> Migrations:
        """What is applied, pending and failed. Raises `DatabaseAway`."""
        listing = await self._listing() if self.spec.migrations else b""
        async with self.asking() as connection:
            records, rows = await self._recorded(connection)
        return migrations_of(rows, files_of(listing), release_of(listing), records)

    async def _recorded(self, connection: Connection) -> tuple[Records, list[Row]]:
        if self.spec.applied:
            cursor = await connection.execute(self.spec.applied.encode())
            given = await cursor.fetchmany(MOST_ROWS) if cursor.description else []
            return ASKED, [Row(str(one[0]), str(one[1] or "") if one[1:] else "") for one in given]
        place = await (await connection.execute(PLACE)).fetchone()
        assert place is not None  # it is one row always
        records = Records(tuple(place[0]), int(place[1]), tuple(place[2]))
        if not records.query:
            return records, []
        found = await (await connection.execute(records.query)).fetchall()
        return records, [Row(*one) for one in found]

    async def differing(self) -> str:
        """Returns how the files in the directory differ from the release's, in words; empty when
        they don't, when there is no such directory, and without a `revision`.
        Raises `DatabaseAway`."""
        if not self.spec.revision:
            return ""
        return difference_words(await self._asked_there(DIFFERING))

    async def checksums(self, names: Sequence[str]) -> dict[str, str]:
        """Returns the SHA-256 of each of these migration files. Raises `DatabaseAway`."""
        files = " ".join(shlex.quote(f"{name}.sql") for name in names)
        text = RELEASE_CHECKSUMS if self.spec.revision else CHECKSUMS
        printed = await self._asked_there(text, files=files)
        lines = (line.partition(" ") for line in printed.decode("utf-8", "replace").splitlines())
        found = {name.removesuffix(".sql"): digest for digest, _, name in lines}
        missing = [one for one in names if not re.fullmatch("[0-9a-f]{64}", found.get(one, ""))]
        if missing:
            said = f"{', '.join(missing)} can't be read on {self.spec.on}"
            raise DatabaseAway(f"{self.spec.id}: {said}")
        return {one: found[one] for one in names}

    async def adopt(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Record migrations (version, name, SHA-256) as applied: all of them or none, and nothing
        else. Raises `DatabaseAway`; its cause is a `psycopg.Error` with an SQLSTATE when the
        server refused, else nobody knows."""
        link = self._new_link()
        with deadline(QUICK_S):
            try:
                connection = await link.connected()
                with link.cut_off_after(time_left_s()):
                    await connection.set_read_only(False)
                    async with connection.transaction():
                        await _record(connection, rows, int(time_left_s() * 950))
            except (psycopg.Error, OSError, ProbeError) as error:
                raise DatabaseAway(await self._words(error, link)) from error
            finally:
                await link.drop()

    async def schema(self) -> Schema:
        """All objects of its schema, as of one moment. Raises `DatabaseAway`.

        Deparsing a view locks its tables for a moment: who holds one is named.
        """
        try:
            async with self.asking(2 * QUICK_S) as connection:
                await connection.execute("SET LOCAL search_path = ''")
                return schema_of(await (await connection.execute(SCHEMA)).fetchall())
        except DatabaseAway as away:
            if not isinstance(away.__cause__, psycopg.errors.LockNotAvailable):
                raise
            async with self.asking() as connection:
                held = await (await connection.execute(HOLDERS)).fetchall()
            said = "; ".join(session_of(tuple(row)).words for row in held)
            raise DatabaseAway(
                f"{self.spec.id}: its schema can't be read, a table is locked by {said}"
            ) from away

    async def lacking(self) -> tuple[str, ...]:
        """Why the console's role couldn't restore it, in sentences; also an entry when that
        isn't what is known. Raises `DatabaseAway`."""
        async with self.asking() as connection:
            rows = await (await connection.execute(RIGHTS)).fetchall()
        found = tuple(one_line(str(row[0]), 300) for row in rows)
        known = self._ledger.state.databases.get(self.spec.id, DatabaseState())
        if found != known.lacking:
            await self._ledger.keep(RestoreRights(self.spec.id, found))
        return found

    async def kept(self) -> None:
        """Read which databases restores have kept beside it; an entry when those are others.
        Raises `DatabaseAway`."""
        async with self.asking() as connection:
            found = kept_of(await (await connection.execute(KEPT)).fetchall())
        known = self._ledger.state.databases.get(self.spec.id, DatabaseState())
        if found != known.kept:
            await self._ledger.keep(KeptRead(self.spec.id, found))

    async def measures(self) -> Measures:
        """How far it has come: transactions, WAL, rows changed. Raises `DatabaseAway`."""
        async with self.asking() as connection:
            # in this order: transactions are never fewer than what wrote those rows
            tables = await (await connection.execute(measures.TABLES)).fetchall()
            overall = await (await connection.execute(measures.OVERALL)).fetchone()
        assert overall is not None
        return measures_of(time.time(), overall, tables)

    async def close(self) -> None:
        if self._kept is not None:
            await self._kept.drop()

    def _link(self) -> Link:
        if self._kept is None:
            self._kept = self._new_link()
        return self._kept

    def _new_link(self) -> Link:
        spec = self.spec
        own = {"user": spec.user, "password": self._secrets.reveal(spec.password)}
        return Link(
            {
                "host": spec.host, "port": spec.port, "dbname": spec.dbname,
                "gssencmode": "disable", "application_name": "optibid-console",
                **{key: value for key, value in own.items() if value},
            },
            self._host,
        )  # fmt: skip

    async def _listing(self) -> bytes:
        listing = await self._asked_there(RELEASE_LISTING if self.spec.revision else LISTING)
        listing = self._listed if listing == SAME else listing
        if not files_of(listing):
            where = f"{self.spec.revision}:" if self.spec.revision else ""
            raise DatabaseAway(
                f"there is no migration file (NNN_name.sql) in {where}{self.spec.migrations} "
                f"on {self.spec.on}"
            )
        self._listed = listing
        return listing

    async def _asked_there(self, text: str, files: str = "") -> bytes:
        """Returns what a text about the migration files prints; `files`: those that it is about.
        Raises `DatabaseAway`."""
        spec = self.spec
        try:
            command = files_command(
                text, spec, self._ledger.state.facts, commit_of(self._listed), files
            )
            done = await self._host.execute(command, timeout_s=QUICK_S)
        except (HostError, TimeoutError, ValueError) as error:
            words = f"can't list {self.spec.migrations} on {self.spec.on}: {error_words(error)}"
            raise DatabaseAway(one_line(words, 300)) from error
        if done.exit_status != 0:
            said = one_line(done.stderr, 300) or f"exit {done.exit_status}"
            raise DatabaseAway(f"can't list {self.spec.migrations} on {self.spec.on}: {said}")
        return done.stdout

    async def _words(self, error: Exception, link: Link) -> str:
        """In a few words, without a secret, and from where it was asked."""
        try:
            if link.hung and not isinstance(error, psycopg.errors.QueryCanceled):
                said = f"{link.where.words} didn't answer in time"
            elif isinstance(error, ProbeError):
                raise error
            else:
                seen = await postgres.seen_from(self._host, link.where, error)
                said = postgres.fault_of(seen, link.where).summary
        except ProbeError as broken:
            return one_line(self._secrets.redact(str(broken)), 300)
        said = one_line(self._secrets.redact(said), 300)
        return f"{self.spec.id}, seen from {self.spec.on}: {said}"


async def _record(
    connection: Connection, rows: Sequence[tuple[str, str, str]], limit_ms: int
) -> None:
    await connection.execute(f"SET LOCAL statement_timeout = {max(1, limit_ms)}")
    await connection.execute("SET LOCAL lock_timeout = 2000")
    there = await (await connection.execute(HAS_TABLE)).fetchone()
    if there and not there[0]:
        await connection.execute(CREATE)
    for version, name, checksum in rows:
        await connection.execute(FORGET, [version])
        await connection.execute(FORGET, [name])
        await connection.execute(ADOPT, [version, name, checksum])


def files_command(
    text: str, spec: DatabaseSpec, facts: Mapping[str, str], known: str = "", files: str = ""
) -> str:
    """Returns a text about the migration files as it is run; `known`: the commit that was listed
    before. Raises `ValueError` when a fact isn't known."""
    given = text.format(
        directory=word(spec.migrations), revision=word(spec.revision), known=known, files=files
    )
    return fill(given, facts)


def databases_of(
    loaded: Loaded, ledger: Ledger, targets: Mapping[str, Target]
) -> dict[str, Database]:
    """Each of the runbook's databases, by id. Nothing is connected yet.

    All that they are asked is a read, so that a rehearsal asks them too.
    """
    return {
        one.id: Database(one, for_probes(targets[one.on]), ledger, loaded.secrets)
        for one in loaded.runbook.databases.values()
    }
