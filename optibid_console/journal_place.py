"""Where a window is recorded: a file on this machine, or a PostgreSQL that a team shares."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from optibid_console.errors import SourceError
from probes.text import one_line

SCHEMES = ("postgresql://", "postgres://")
_DEFAULT_PORT = 5432
_WINDOW = "window"
_LIBPQ = (
    "channel_binding", "gssencmode", "host", "sslcert", "sslcrl", "sslkey", "sslmode",
    "sslrootcert", "target_session_attrs",
)  # fmt: skip
"""What a URL's query may say besides `window` (PostgreSQL manual, 34.1.2)."""


class BadPlace(SourceError):
    """Not a place where a window can be recorded."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Address:
    """A journal in a PostgreSQL: `postgresql://[USER@]HOST[:PORT]/DATABASE[?window=NAME]`.

    It never has a password: an address stands in argument lists, records and errors.
    """

    host: str
    """A name, an address, or the directory of a Unix socket."""
    port: int
    dbname: str
    user: str = ""
    window: str = ""
    """The journal's name in that database; empty: the one that is open, or a new one."""
    options: tuple[tuple[str, str], ...] = ()
    """libpq's keywords for the connection's security, in order."""
    others: tuple[tuple[str, int], ...] = ()
    """More hosts and ports of the same cluster: of its standbys."""

    def __str__(self) -> str:
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        given = list(self.options)
        socket = self.host.startswith("/")
        if socket:
            given.insert(0, ("host", self.host))
        hosts = "" if socket else f"{_bracketed(self.host)}:{self.port}"
        hosts += "".join(f",{_bracketed(host)}:{port}" for host, port in self.others)
        if socket:
            hosts = f":{self.port}"
        if self.window:
            given.append((_WINDOW, self.window))
        query = f"?{urlencode(given, safe='/')}" if given else ""
        return f"postgresql://{user}{hosts}/{quote(self.dbname, safe='')}{query}"

    @property
    def server(self) -> str:
        """The database for people, without what only the connection needs."""
        others = "".join(f", {host}:{port}" for host, port in self.others)
        return f"{self.dbname} at {self.host}:{self.port}{others}"

    @property
    def identity(self) -> str:
        """The same text for every way in which the same journal is written."""
        others = (f"{host}:{port}" for host, port in self.others)
        return "\0".join(
            ("postgresql", self.host, str(self.port), self.dbname, self.window, *others)
        )

    def named(self, window: str) -> Address:
        """The journal of this name in the same database."""
        return replace(self, window=window)


Place = Path | Address


def place_of(text: str) -> Place:
    """The place that a person or a record named. Raises `BadPlace`; never shows a password."""
    return parse_address(text) if text.startswith(SCHEMES) else Path(text)


def is_address(text: str) -> bool:
    return text.startswith(SCHEMES)


def parse_address(text: str) -> Address:
    """Raises `BadPlace`."""
    form = "postgresql://[USER@]HOST[:PORT]/DATABASE[?window=NAME]"
    try:
        parts = urlsplit(text)
        first, *more = (_host_and_port(one) for one in parts.netloc.rpartition("@")[2].split(","))
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise BadPlace(f"this PostgreSQL address can't be read: write {form}") from None
    asked = dict(given)
    if parts.password is not None or "password" in asked:
        raise BadPlace(
            "no password in a journal's address, where `ps` shows it: set PGPASSWORD or "
            "OPTIBID_JOURNAL_PASSWORD, or write it into ~/.pgpass"
        )
    unknown = sorted(set(asked) - {*_LIBPQ, _WINDOW})
    if unknown:
        raise BadPlace(
            f"a journal's address doesn't know {one_line(unknown[0], 40)!r}; it may say "
            f"{', '.join((_WINDOW, *_LIBPQ))}"
        )
    dbname = unquote(parts.path.removeprefix("/"))
    host = unquote(first[0]) or asked.pop("host", "")
    window = asked.pop(_WINDOW, "")
    if not host or not dbname or "/" in dbname or "," in host or parts.fragment:
        raise BadPlace(f"a journal's address names a host and one database: write {form}")
    if any(not one or "/" in one for one, _ in more) or (more and host.startswith("/")):
        raise BadPlace(f"a journal's address names its hosts as HOST:PORT,HOST:PORT: write {form}")
    if more:  # which of them takes entries is the server's to say
        asked.setdefault("target_session_attrs", "read-write")
    if window and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", window):
        raise BadPlace(
            f"window={one_line(window, 40)!r}: a window's name has letters, digits, `.`, `_` "
            "and `-`, at most 100 of them"
        )
    return Address(
        host, first[1], dbname, unquote(parts.username or ""), window,
        tuple(sorted(asked.items())), tuple(more),
    )  # fmt: skip


def _host_and_port(text: str) -> tuple[str, int]:
    """Raises `ValueError`."""
    parts = urlsplit(f"//{text}")
    return unquote(parts.hostname or ""), parts.port or _DEFAULT_PORT


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
