"""A connection to the PostgreSQL of a journal, and its errors in words. Everything here blocks."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import conninfo

from optibid_console.journal import postgres_schema
from optibid_console.journal.journal import JournalAway, JournalError
from optibid_console.journal.passwords import password
from optibid_console.journal_place import Address
from probes.error_words import error_words
from probes.text import one_line

LIMIT_S = 3.0
"""After so long, in seconds, a statement is cut off and the server counts as away."""
CONNECT_S = 4
"""How long a connection may take to be made, in seconds."""

Connection = psycopg.Connection[Any]


def connect(address: Address, *, writable: bool) -> Connection:
    """An autocommitting connection to a journal of a known format.

    Raises `JournalError`; `JournalAway` when the server doesn't answer.
    """
    db = connect_any(address, writable=writable)
    try:
        postgres_schema.check_format(db, address)
    except psycopg.Error as error:
        db.close()
        raise explain(address, "opened", error) from error
    except JournalError:
        db.close()
        raise
    return db


def connect_any(address: Address, *, writable: bool) -> Connection:
    """The same, whatever is in the database."""
    settings = f"-c idle_in_transaction_session_timeout={int(LIMIT_S * 1000)} -c lock_timeout=6000"
    settings += r" -c default_transaction_isolation=read\ committed"  # see postgres_table
    if not writable:
        settings += " -c default_transaction_read_only=on"
    given: dict[str, Any] = {
        "host": ",".join((address.host, *(host for host, _ in address.others))),
        "port": ",".join((str(address.port), *(str(port) for _, port in address.others))),
        "dbname": address.dbname,
        "gssencmode": "disable", **dict(address.options),
        "application_name": "optibid-console journal", "client_encoding": "UTF8",
        "connect_timeout": CONNECT_S, "options": settings,
        # a link that is cut says nothing: unacknowledged bytes end it (tcp(7), TCP_USER_TIMEOUT)
        "keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 2,
        "tcp_user_timeout": int(LIMIT_S * 1000),
    }  # fmt: skip
    if not writable and given.get("target_session_attrs") == "read-write":
        given["target_session_attrs"] = "primary"  # such a session isn't read-write anywhere
    for key, value in (("user", address.user), ("password", password())):
        if value:
            given[key] = value
    try:
        db = psycopg.connect(conninfo.make_conninfo(**given), autocommit=True)
    except (psycopg.Error, OSError) as error:
        raise explain(address, "opened", error) from error
    db.prepare_threshold = 1
    if not writable:
        return db
    try:
        row = db.execute("SHOW synchronous_commit").fetchone()
        if row and row[0] == "off":  # then `append` would return before the entry is on a disk
            db.execute("SET synchronous_commit = on")
    except psycopg.Error as error:
        db.close()
        raise explain(address, "opened", error) from error
    return db


@contextmanager
def reading(address: Address) -> Iterator[Connection]:
    """A connection that can't write, for one question. Raises `JournalError`."""
    with closing(connect(address, writable=False)) as db, explained(address, "read"):
        yield db


@contextmanager
def explained(address: Address, what: str) -> Iterator[None]:
    """Raises what goes wrong inside as a `JournalError`."""
    try:
        yield
    except psycopg.Error as error:
        raise explain(address, what, error) from error


def line_of(db: Connection) -> socket.socket:
    """The connection's socket, to shut down from another thread; the caller closes it."""
    return socket.socket(fileno=os.dup(db.fileno()))


def cut(line: socket.socket) -> None:
    """End whatever waits for this connection."""
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def explain(address: Address, what: str, error: Exception) -> JournalError:
    """What to raise where a journal can't be `what`: opened, written, read."""
    said = _words(error)
    where = f"the journal in {address.server} can't be {what}: {said}"
    state = getattr(error, "sqlstate", None) or ""
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return JournalError(f"{where}; it is a standby or read only: give the primary's address")
    if any(one in said for one in _MISTRUSTED):
        return JournalError(
            f"{where}; nothing was sent: check sslmode, sslrootcert (the authority that signed the "
            "server's certificate) and that the address has a name that is in that certificate"
        )
    # what libpq says of a connection has no SQLSTATE
    if state.startswith("28") or any(one in said for one in _DENIED):
        return JournalError(
            f"{where}; check the role in the address, PGPASSWORD or ~/.pgpass, and pg_hba.conf"
        )
    if state == "3D000" or (said.startswith("database") and "does not exist" in said):
        return JournalError(f"{where}; CREATE DATABASE makes one, apart from what is deployed")
    if state == "42501":
        return JournalError(f"{where}; the role {postgres_schema.OPERATOR} may append")
    if state.startswith("53"):
        return JournalAway(f"{where}; the server is out of room; it goes on by itself")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | OSError):
        return JournalAway(f"{where}; it goes on by itself once the server answers")
    return JournalError(f"{where}; check the server, or give another --journal")


_MISTRUSTED = ("certificate", "server does not support SSL")
_DENIED = (
    "authentication failed",
    "no password",
    "pg_hba.conf",
    "is not permitted to log in",
    "role ",
)


def _words(error: Exception) -> str:
    """The server's own words if it said any, else libpq's without its preamble."""
    said = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    for mark in ("FATAL:", "ERROR:", "failed: "):
        said = said.rpartition(mark)[2]
    words = one_line(said.strip().partition("\n")[0], 160)
    return words or error_words(error, 160)
