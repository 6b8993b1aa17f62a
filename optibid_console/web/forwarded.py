"""The client's address behind a proxy, from what the proxy forwards. Pure.

Only a proxy that was named is believed: it appends the address that it saw to what the client
sent, so the right-most hop that isn't such a proxy is the client, and whatever stands left of it
is the client's own invention.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Protocol

from optibid_console.admission.sources import canonical

_FOR = re.compile(r'(?:^|[;,])\s*for=("[^"]*"|[^;,\s"]*)', re.IGNORECASE)
"""The `for` parameter of each hop (RFC 7239, 4 and 6)."""
_PORT = re.compile(r"(?P<v4>[0-9.]+)(?::\d+)?|\[(?P<v6>[^\]]+)\](?::\d+)?|(?P<bare>[0-9a-fA-F:.]+)")


class Headers(Protocol):
    """A request's headers."""

    def getall(self, key: str, default: Sequence[str]) -> Sequence[str]: ...


def client_address(peer: str, headers: Headers, proxies: Container[str]) -> str:
    """Returns the address by which a request's client counts: that of the peer, unless it is a
    named proxy that forwards a readable one. When `X-Forwarded-For` and `Forwarded` disagree,
    one of them is the client's own, and neither counts."""
    if canonical(peer) not in proxies:
        return peer
    given = headers.getall("X-Forwarded-For", ())
    listed = _client([hop for value in given for hop in value.split(",")], proxies)
    forwarded = [hop for value in headers.getall("Forwarded", ()) for hop in _FOR.findall(value)]
    other = _client([hop.strip('"') for hop in forwarded], proxies)
    if listed and other and listed != other:
        return peer
    return listed or other or peer


def _client(hops: Sequence[str], proxies: Container[str]) -> str:
    """Returns the right-most hop that is no named proxy; empty: it can't be read, or there is
    none."""
    for hop in reversed(hops):
        found = _PORT.fullmatch(hop.strip())
        address = canonical(found["v4"] or found["v6"] or found["bare"]) if found else ""
        if address not in proxies:
            return address
    return ""
