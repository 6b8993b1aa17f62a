"""Commands about sharing the window with observers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartSharing:
    """Listen for observers; they can watch and nothing else."""

    address: str
    """HOST:PORT; port 0: one that is free."""
    cert: str = ""
    """A file with a certificate and its key (PEM); empty: one that the console makes."""
    plain: str = ""
    """The host for which TLS is left out; empty: TLS. Needed by name off loopback."""


@dataclass(frozen=True, slots=True)
class Share:
    """Make a link for somebody to watch with; its reply alone has the token."""

    name: str
    hours: float = 12.0


@dataclass(frozen=True, slots=True)
class Revoke:
    """Make a link void; who watches with it is turned away at once."""

    name: str


@dataclass(frozen=True, slots=True)
class StopSharing:
    """Listen for nobody any more; all links are void."""

    reason: str = ""


SharingCommand = StartSharing | Share | Revoke | StopSharing
