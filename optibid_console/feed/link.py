"""The link with which a window is watched: where it is, its token, its certificate."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from optibid_console.errors import SourceError

TLS, PLAIN = "optibid", "optibid+plain"
"""The schemes: with TLS, and without."""
DEFAULT_PORT = 7443
TOKEN_BYTES = 32
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{43}")
"""256 bits (RFC 4648, section 5, without padding)."""


class BadLink(SourceError):
    """Not a link that can be used. The message never shows it: it holds a token."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Link:
    """`optibid://HOST:PORT/#TOKEN@FINGERPRINT`, or `optibid+plain://HOST:PORT/#TOKEN`.

    What follows `#` is sent nowhere but in the greeting, and shown in no error.
    """

    host: str
    port: int
    token: str = field(repr=False)
    fingerprint: str = ""
    """Base64url of the certificate's SHA-256; empty: without TLS."""

    @property
    def address(self) -> str:
        return joined(self.host, self.port)

    def text(self) -> str:
        """The link as it is given to somebody."""
        scheme = TLS if self.fingerprint else PLAIN
        pin = f"@{self.fingerprint}" if self.fingerprint else ""
        return f"{scheme}://{self.address}/#{self.token}{pin}"


def parse_link(text: str) -> Link:
    """Raises `BadLink`."""
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadLink("the link can't be read: its host and port are wrong") from None
    if parts.scheme not in (TLS, PLAIN):
        raise BadLink(f"a link begins with {TLS}:// (or {PLAIN}://)")
    token, at, fingerprint = parts.fragment.partition("@")
    if not host or port is None or parts.username is not None or parts.path not in ("", "/"):
        raise BadLink(f"a link is {parts.scheme}://HOST:PORT/#…: ask for it again")
    whole = _BASE64URL.fullmatch(token) and (
        _BASE64URL.fullmatch(fingerprint) if parts.scheme == TLS else not at
    )
    if not whole:
        raise BadLink(
            f"the link to {joined(host, port)} isn't whole: what follows # was cut off or changed. "
            "In a shell it needs quotes"
        )
    return Link(host, port, token, fingerprint)


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """What is kept of a token: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def same_hash(one: str, other: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def joined(host: str, port: int) -> str:
    """`HOST:PORT`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST`, `HOST:PORT`, `:PORT` or `[IPV6]:PORT`. Raises `ValueError`."""
    try:
        parts = urlsplit(f"//{text.strip()}")
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no HOST:PORT: {error}") from error
    if parts.path or parts.query or parts.fragment or parts.username is not None or not text:
        raise ValueError(f"{text!r} is no HOST:PORT")
    return parts.hostname or "0.0.0.0", port


def means(wanted: str, address: str) -> bool:
    """Whether who asks for the first address (port 0: any) means the second one."""
    (host, port), (other, at) = split_address(wanted), split_address(address)
    return host == other and port in (0, at)
