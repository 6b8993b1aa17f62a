"""Where a window is recorded: a file on this machine, or a PostgreSQL that a team shares."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from optibid_console.source import SourceError
from probes.text import one_line

SCHEMES = ("postgresql://", "postgres://")
_DEFAULT_PORT = 5432
_WINDOW = "window"
_LIBPQ = (
    "channel_binding", "gssencmode", "host", "sslcert", "sslcrl", "sslkey", "sslmode",
    "sslrootcert",
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

    def __str__(self) -> str:
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        given = list(self.options)
        socket = self.host.startswith("/")
        if socket:
            given.insert(0, ("host", self.host))
        host = "" if socket else f"[{self.host}]" if ":" in self.host else self.host
        if self.window:
            given.append((_WINDOW, self.window))
        query = f"?{urlencode(given, safe='/')}" if given else ""
        return f"postgresql://{user}{host}:{self.port}/{quote(self.dbname, safe='')}{query}"

    @property
    def server(self) -> str:
        """The database for people, without what only the connection needs."""
        return f"{self.dbname} at {self.host}:{self.port}"

    @property
    def identity(self) -> str:
        """The same text for every way in which the same journal is written."""
        return "\0".join(("postgresql", self.host, str(self.port), self.dbname, self.window))

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
        port = parts.port or _DEFAULT_PORT
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
    host = unquote(parts.hostname or "") or asked.pop("host", "")
    window = asked.pop(_WINDOW, "")
    if not host or not dbname or "/" in dbname or "," in host or parts.fragment:
        raise BadPlace(f"a journal's address names one host and one database: write {form}")
    if window and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", window):
        raise BadPlace(
            f"window={one_line(window, 40)!r}: a window's name has letters, digits, `.`, `_` "
            "and `-`, at most 100 of them"
        )
    return Address(
        host, port, dbname, unquote(parts.username or ""), window, tuple(sorted(asked.items()))
    )
