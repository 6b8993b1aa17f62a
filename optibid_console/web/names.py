"""Under which names this page may be asked for: what a browser calls it, and who sends it there.

A page of another site can make a browser that is inside the network ask for anything; what gives
it away is the name that it asks by (`Host`, RFC 9110 7.2) and its own (`Origin`, RFC 6454). An
address can't be given another meaning by somebody's name server, a name can.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit


class Names:
    """The names of one listener: its addresses, `localhost`, and what it was given by name."""

    def __init__(self, host: str, port: int, given: Iterable[str] = (), *, tls: bool) -> None:
        self._port = port
        self._scheme = "https" if tls else "http"
        self._names = {"localhost", *(one.lower() for one in given)}
        if host and not _is_address(host):
            self._names.add(host.lower())

    def is_ours(self, host: str) -> bool:
        """Whether a request that names this host (`NAME[:PORT]`) was meant for this page."""
        try:
            parts = urlsplit(f"{self._scheme}://{host}")
            name, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.netloc != host or "@" in host or not name:
            return False
        if name in self._names:
            # what stands in front of us may have another port; its name was given to us
            return name != "localhost" or self._is_port(port)
        return _is_address(name) and self._is_port(port)

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Whether the page that asks is this page, under the name that it asks by."""
        schemes = {self._scheme}
        if _name_of(host) in self._names - {"localhost"}:
            schemes.add("https")  # what stands in front of us may speak TLS for us
        return any(origin.lower() == f"{scheme}://{host}".lower() for scheme in schemes)

    def _is_port(self, port: int | None) -> bool:
        usual = 443 if self._scheme == "https" else 80
        return (port or usual) == self._port


def _name_of(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
