"""Whether and to whom the window is shown elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optibid_console import entries as e


@dataclass(frozen=True, slots=True)
class SharedLink:
    """A link with which the window can be watched."""

    name: str
    token_sha256: str
    expires_at: float
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class SharingState:
    """Whether and to whom the window is shown elsewhere."""

    started: e.SharingStarted | None = None
    """None: nobody is listened for."""
    links: Mapping[str, SharedLink] = field(default_factory=dict)
    """The links that weren't revoked, by name; those that expired too."""
    stopped: str = ""
    """Why it was stopped last."""
