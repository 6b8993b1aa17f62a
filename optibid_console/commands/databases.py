"""Commands about databases."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AdoptMigrations:
    """Record migrations that a database has as applied. It runs none of them."""

    database: str
    names: tuple[str, ...]
    """Files of the release, without `.sql`."""
    reason: str
    """How it is known that the database has them."""
    typed: str = ""
    """What the person typed to confirm it: `adopting.adopt_words`."""


@dataclass(frozen=True, slots=True)
class ChooseBackup:
    """Let a rollback restore another verified backup of this window than the newest."""

    database: str
    path: str
    reason: str


DatabaseCommand = AdoptMigrations | ChooseBackup
