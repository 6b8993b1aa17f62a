"""Sharing the window with observers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SharingStarted:
    """Observers are listened for."""

    address: str
    """HOST:PORT."""
    fingerprint: str
    """Base64url of the certificate's SHA-256; empty: without TLS."""
    cert: str = ""
    """The file of a given certificate; empty: the console made one."""
    plain: str = ""
    """For which host TLS was left out."""


@dataclass(frozen=True, slots=True)
class SharingStopped:
    """Nobody is listened for any more; all links are void."""

    reason: str


@dataclass(frozen=True, slots=True)
class WatchShared:
    """A link was made with which the window can be watched."""

    name: str
    """For whom."""
    token_sha256: str
    """Of its token, which is recorded nowhere."""
    expires_at: float
    """Seconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class WatchRevoked:
    """A link is void from now on."""

    name: str


SharingFact = SharingStarted | SharingStopped | WatchShared | WatchRevoked
