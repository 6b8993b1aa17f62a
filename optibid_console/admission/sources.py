"""The address and the network by which limits count a peer."""

from __future__ import annotations

import ipaddress
from collections.abc import Container
from dataclasses import dataclass

IPV4_NETWORK = 24
"""The smallest block that is announced to other providers, and the usual size of one site."""
IPV6_ADDRESS, IPV6_NETWORK = 64, 48
"""A host may use every address of its /64; a site is given a /48 at most (RFC 6177)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a connection comes from."""

    address: str
    """An IPv4 address, or an IPv6 network of 64 bits."""
    network: str
    """An IPv4 network of 24 bits, or an IPv6 network of 48 bits."""
    trusted: bool = False
    """A proxy that was named: its address says nothing about the clients behind it."""


def source_of(peer: str, proxies: Container[str] = ()) -> Source:
    """Returns the source of a peer's address; text that is no address counts as itself."""
    plain = canonical(peer)
    if not plain:
        return Source(peer, peer)
    known = ipaddress.ip_address(plain)
    if isinstance(known, ipaddress.IPv4Address):
        return Source(plain, _network(known, IPV4_NETWORK), plain in proxies)
    address, network = _network(known, IPV6_ADDRESS), _network(known, IPV6_NETWORK)
    return Source(plain, network, True) if plain in proxies else Source(address, network)


def canonical(address: str) -> str:
    """Returns an IP address in its usual form, that of IPv4 also for `::ffff:192.0.2.1` and
    without a zone; empty: it is no IP address."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(known)


def _network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, bits: int) -> str:
    return str(ipaddress.ip_network((address, bits), strict=False))
