"""The facts that a verified backup becomes: `backup.path`, `backup.ID.sha256` and others. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from optibid_console.entries import ArtifactRecorded


def backup_prefixes(database: str) -> tuple[str, ...]:
    """Returns the facts of a backup without their `.path`, `.sha256`, `.size` and
    `.database_size` (bytes): `backup` is the last one of any database, and each has its own, from
    which it is restored."""
    return ("backup", f"backup.{database}")


def facts_of_backup(made: ArtifactRecorded, prefixes: Iterable[str]) -> dict[str, str]:
    """Returns the facts of this backup, with these prefixes."""
    values = {
        "path": made.path,
        "sha256": made.sha256,
        "size": str(made.size_bytes),
        "database_size": made.details.get("database_bytes", ""),
    }
    return {f"{one}.{name}": value for one in prefixes for name, value in values.items() if value}
