"""A PostgreSQL database: whether it answers, what a query says, what its schema has.

What counts as `failing` and what as `error` is told in `probes.reaching`; of what the
server itself answers, a refused login and a query that can't be run are `error`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import psycopg
from psycopg import conninfo

from probes import expectation, reaching
from probes.aside import judged
from probes.deadline import time_left_s, timeout_s
from probes.expectation import Finding
from probes.postgres_link import Link, Where, statement_limit_ms
from probes.postgres_schema import judge_extensions, judge_migration, judge_tables
from probes.probe import Host, ProbeError, Reading, Status
from probes.text import one_line

MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class PostgresExpect:
    """A probe's `expect = { … }`: what the query must give."""

    value: Any = None
    """The first column of the first row: a value, or conditions (`{ at_least = 26 }`)."""
    rows: Any = None
    """How many rows: a number, or conditions."""
    columns: tuple[str, ...] = ()
    """Columns that the result must have."""


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """The settings of `kind = "postgres"`."""

    url: str = ""
    """`postgresql://user@host:port/dbname`; the keys below replace what it says."""
    host: str = ""
    port: int = 0
    dbname: str = ""
    user: str = ""
    password: str = ""
    sslmode: str = ""
    """libpq's: `disable`, `prefer`, `require`, `verify-ca`, `verify-full`."""
    sslrootcert: str = ""
    sql: str = ""
    """One statement, run in a read-only transaction."""
    expect: PostgresExpect = field(default_factory=PostgresExpect)
    extensions: tuple[str, ...] = ()
    """Extensions that the database must have."""
    tables: tuple[str, ...] = ()
    """Tables or views that must be there: `bids`, `audit.events`."""
    migration: str = ""
    """A version that `schema_migrations` must have as applied with success."""
    warn_ms: float | None = None
    max_ms: float | None = None
    unit: str = ""
    """The unit of the query's value."""

    def problems(self) -> Iterator[tuple[str, str]]:
        if "${" not in self.url + self.host:  # a secret is filled in later
            try:
                parameters(self)
            except ProbeError as error:
                yield "url", str(error)
        if not self.sql and self.expect != PostgresExpect():
            yield "expect", "needs an sql that it can judge"
        for key, wish in (("value", self.expect.value), ("rows", self.expect.rows)):
            if wish is not None:
                yield from ((f"expect.{key}", say) for say in expectation.problems(wish))

    def patterns(self) -> Iterator[tuple[str, str, int]]:
        """Its regular expressions by key, each with the longest text that it is held against."""
        if self.expect.value is not None:
            for pattern in expectation.patterns_in(self.expect.value):
                yield "expect.value", pattern, expectation.USUAL_BYTES


@dataclass(frozen=True, slots=True)
class Result:
    """What a query gave: its first row, and how many there were."""

    columns: tuple[str, ...]
    first: tuple[Any, ...] | None
    rows: int
    """At most `MAX_ROWS` + 1: reading stops there."""


class PostgresProbe:
    """Looks at a database, from here or as `host` sees it, over one kept connection.

    The reading's value is the query's first column when that is a number, else how long
    the database took in ms. A query that gives NULL or no row gives no value.
    """

    Settings = PostgresSettings

    def __init__(self, name: str, settings: PostgresSettings, host: Host | None) -> None:
        self.name = name
        self._settings = settings
        self._host = host
        self._kept: Link | None = None

    async def read(self) -> Reading:
        at, started = time.time(), time.monotonic()
        if self._kept is None:
            self._kept = Link(parameters(self._settings), self._host)
        link, place = self._kept, self._kept.where
        try:
            findings, result, took_ms = await self._look(link)
        except (psycopg.Error, OSError) as error:
            hung = link.hung or isinstance(error, TimeoutError)
            # its answer may come in the moment in which the line is cut
            hung = hung and not isinstance(error, psycopg.errors.QueryCanceled)
            await link.drop()
            seen = await seen_from(self._host, place, error)
            hung = hung and seen is error
            fault = reaching.silent(place.name, place.port) if hung else fault_of(seen, place)
            took_ms = (time.monotonic() - started) * 1000
            said = _redacted(link.password, fault.summary)
            detail = {"database": place.words}
            return Reading(self.name, fault.status, said, at, took_ms, None, "", detail, fault.away)
        summary = expectation.summarise(findings, _good(result, took_ms))
        value, unit = _value(result, took_ms, self._settings.unit)
        found = {key: _redacted(link.password, words) for key, words in summary.detail.items()}
        detail = {"database": place.words, **found}
        said = _redacted(link.password, summary.text)
        return Reading(self.name, summary.status, said, at, took_ms, value, unit, detail)

    async def close(self) -> None:
        await self.log_out()

    async def log_out(self) -> None:
        """Close the kept connection: the next reading logs in anew."""
        if self._kept is not None:
            await self._kept.drop()

    async def _look(self, link: Link) -> tuple[list[Finding], Result | None, float]:
        settings = self._settings
        connection = await link.connected()
        with link.cut_off_after(time_left_s()):
            started = time.monotonic()
            findings: list[Finding] = []
            async with connection.transaction():
                limit_ms = statement_limit_ms(time_left_s())
                await connection.execute(f"SET LOCAL statement_timeout = {limit_ms}")
                result = await _query(connection, settings.sql) if settings.sql else None
                took_ms = (time.monotonic() - started) * 1000
                if settings.extensions:
                    findings += await judge_extensions(connection, settings.extensions)
                if settings.tables:
                    findings += await judge_tables(connection, settings.tables)
                if settings.migration:
                    findings += await judge_migration(connection, settings.migration)
        if result is not None:
            first = result.first[0] if result.first else None
            size = len(first) if isinstance(first, str | bytes) else 100
            steps = expectation.steps_of(pattern for _, pattern, _ in settings.patterns())
            job = partial(judge_result, result, settings.expect)
            findings = await judged(job, steps * size, f"the value of {size:,} bytes") + findings
        return [*findings, *_judge_time(took_ms, settings)], result, took_ms


async def _query(connection: psycopg.AsyncConnection[Any], sql: str) -> Result:
    """Run one statement row by row: never more than one row in memory."""
    cursor = connection.cursor()
    first: tuple[Any, ...] | None = None
    rows = 0
    # stream() speaks the extended protocol, which takes one statement only: nothing can
    # follow a `COMMIT;` that would end the read-only transaction.
    rows_of = cast(AsyncGenerator[tuple[Any, ...]], cursor.stream(sql.encode()))
    async with aclosing(rows_of) as stream:
        async for row in stream:
            first = row if rows == 0 else first
            rows += 1
            if rows > MAX_ROWS:
                break
    names = tuple(column.name for column in cursor.description or ())
    return Result(names, first, rows)


def judge_result(result: Result, expect: PostgresExpect) -> list[Finding]:
    """Hold a query's result against what was expected. Pure."""
    findings = []
    if result.rows > MAX_ROWS:
        limit = f"at most {MAX_ROWS}"
        findings.append(Finding(Status.FAILING, "rows", limit, f"more than {MAX_ROWS}"))
    if expect.value is not None:
        found = result.first[0] if result.first else expectation.MISSING
        findings.append(expectation.judge("value", expect.value, _plain(found)))
    if expect.rows is not None:
        findings.append(expectation.judge("rows", expect.rows, result.rows))
    missing = [name for name in expect.columns if name not in result.columns]
    if missing:
        found_words = f"without {', '.join(missing)}"
        wish = ", ".join(expect.columns)
        findings.append(Finding(Status.FAILING, "columns", wish, found_words))
    return findings


def _plain(value: object) -> object:
    """A column's value as config.toml could write it: a decimal is a number, a moment a text."""
    if value is expectation.MISSING or isinstance(value, str | bool | int | None):
        return value
    number = expectation.number(value)
    return str(value) if number is None else number


def _value(result: Result | None, took_ms: float, unit: str) -> tuple[float | None, str]:
    if result is None:
        return took_ms, "ms"
    if result.first is None or result.first[0] is None:
        return None, unit
    number = expectation.number(result.first[0])
    return (took_ms, "ms") if number is None else (number, unit)


def _good(result: Result | None, took_ms: float) -> str:
    if result is None or result.first is None:
        return f"answers in {took_ms:.0f} ms"
    return f"{expectation.shown(_plain(result.first[0]))} in {took_ms:.0f} ms"


def _redacted(password: str, text: str) -> str:
    return text.replace(password, "[REDACTED]") if password else text


def _judge_time(took_ms: float, settings: PostgresSettings) -> list[Finding]:
    for limit, status in ((settings.max_ms, Status.FAILING), (settings.warn_ms, Status.WARN)):
        if limit is not None and took_ms > limit:
            return [Finding(status, "answer after", f"at most {limit:g} ms", f"{took_ms:.0f} ms")]
    return []


_OURS = ("28", "42501", "42601", "25006", "0A")
"""SQLSTATEs (PostgreSQL, appendix A) that say nothing of the database: a login that it
refuses, a missing right, a syntax error, a statement that would write."""


_AWAY = ("08", "57P0", "53300")
"""SQLSTATEs of a server that doesn't serve: the connection broke, it shuts down or starts up, it
has no connection left."""
_NOT_SERVING = ("starting up", "shutting down", "accepting connections", "too many clients",
                "connection slots")  # fmt: skip
"""The same of a connection that failed, which has no SQLSTATE."""
_OURS_IN_WORDS = ("authentication failed", "no password supplied", "root certificate file")


async def seen_from(host: Host | None, place: Where, error: Exception) -> Exception:
    """`reaching.seen_from`, for what isn't the server's own answer. Raises `ProbeError`."""
    if getattr(error, "sqlstate", None):
        return error
    return await reaching.seen_from(host, place.name, place.port, error)


def fault_of(error: BaseException, place: Where) -> reaching.Fault:
    """What an error of psycopg's or of the network says about the database, without a secret."""
    state = getattr(error, "sqlstate", None)
    said = _first_line(error)
    if isinstance(error, psycopg.errors.QueryCanceled):
        words = f"{place.words}: the statement took longer than {timeout_s():g} s"
        return reaching.Fault(Status.FAILING, words, away=True)
    if isinstance(error, psycopg.errors.DatabaseError) and state:
        status = Status.ERROR if state.startswith(_OURS) else Status.FAILING
        return reaching.Fault(status, f"{place.words}: {said}", state.startswith(_AWAY))
    found = reaching.fault_of(error, place.name, place.port)
    if found is not None:
        return found
    # What libpq says of a connection has no SQLSTATE and no exception of its own.
    if "Connection refused" in said:
        words = f"{place.name}:{place.port} refused the connection"
        return reaching.Fault(Status.FAILING, words, away=True)
    ours = isinstance(error, psycopg.InterfaceError | psycopg.ProgrammingError | psycopg.DataError)
    ours = ours or any(words in said for words in _OURS_IN_WORDS)
    away = not ours and _no_answer(str(error))
    status = Status.ERROR if ours else Status.FAILING
    return reaching.Fault(status, f"{place.words}: {said}", away)


def _no_answer(said: str) -> bool:
    """Whether a connection that failed got no answer. A certificate that isn't accepted is one, and
    so is what the server itself says (`FATAL:`), unless that is that it doesn't serve now."""
    if any(words in said for words in _NOT_SERVING):
        return True
    return not any(words in said for words in ("FATAL:", "SSL", "certificate"))


def _first_line(error: BaseException) -> str:
    """The server's own words if it said any, else libpq's without its preamble."""
    said = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    for mark in ("FATAL:", "failed: "):
        said = said.rpartition(mark)[2]
    return one_line(said.strip().partition("\n")[0], 120)


def parameters(settings: PostgresSettings) -> dict[str, Any]:
    """libpq's keywords: the URL's, with the settings' own keys over them.

    Raises `ProbeError`, without the password, for what names no single database.
    """
    keys = ("host", "port", "dbname", "user", "password", "sslmode", "sslrootcert")
    own = {key: value for key in keys if (value := getattr(settings, key))}
    # GSSAPI: libpq would try it first, which takes a round trip more and another port's luck.
    usual = {"host": "localhost", "port": 5432, "gssencmode": "disable"}
    usual["application_name"] = "optibid-console"
    try:
        known = {**usual, **conninfo.conninfo_to_dict(settings.url), **own}
    except psycopg.ProgrammingError:  # whose text repeats the password
        raise ProbeError(BAD_URL) from None
    if "," in str(known["host"]) or not str(known["port"]).isdecimal():
        raise ProbeError("a PostgreSQL probe looks at one host and one port: make one for each")
    return known


BAD_URL = "not a PostgreSQL address: write postgresql://user@host:port/dbname"
