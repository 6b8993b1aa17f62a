"""Migrations that a database has and doesn't record: why nobody knows them, and their adoption.

To adopt a migration is to record it as applied without running it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from optibid_console.database.migrated import listed
from optibid_console.database.migrations import BY_QUERY
from optibid_console.paths import APP

if TYPE_CHECKING:
    from optibid_console.state import WindowState


class Known(Protocol):
    """What was read of a database's migrations."""

    @property
    def pending(self) -> tuple[str, ...]: ...

    @property
    def unknown(self) -> str: ...

    @property
    def lacks(self) -> tuple[str, ...]: ...


def why_unclear(database: str, read: Known, *, writes: bool) -> str:
    """Returns why nothing of the database may be migrated as it is, with the way out; empty when
    it may. `writes`: the console's own runner is the one that would record it."""
    if writes and read.lacks and read.pending:
        return (
            f"{database}: schema_migrations lacks {', '.join(read.lacks)}: the console's runner "
            "can't record in it; give the step a run of its own"
        )
    if not read.unknown or read.unknown.startswith(BY_QUERY):
        return f"{database}: {read.unknown}" if read.unknown else ""
    said = f"{database}: {read.unknown}; adopt those that it has: {adopt_command(database)}"
    if writes:
        return said
    return f"{said}; or set applied of [databases.{database}] to the query that gives them"


def adopt_command(database: str, names: Sequence[str] = ("NAME …",)) -> str:
    """Returns the command that adopts; the palette has it too."""
    return f"{APP} adopt {database} {' '.join(names)}"


def adopt_words(database: str) -> str:
    """Returns what is typed to confirm an adoption."""
    return f"adopt {database}"


def adoptable(state: WindowState) -> tuple[str, ...]:
    """Returns the databases of which migrations are pending, and could be adopted."""
    return tuple(
        name
        for name, known in state.databases.items()
        if known.read is not None and known.read.pending and known.adopting is None
    )


def why_not_pending(names: Sequence[str], pending: Sequence[str]) -> str:
    """Returns why these can't be adopted by name; empty when all of them are pending."""
    if not names:
        return "name the migrations that the database has"
    other = [name for name in names if name not in pending]
    if not other:
        return ""
    known = f"pending are {listed(pending)}" if pending else "nothing is pending"
    return f"{listed(other)} {'is' if len(other) == 1 else 'are'} not pending; {known}"


def names_in(text: str) -> tuple[str, ...]:
    """Returns the names of migrations that a person has typed, each once."""
    typed = (one for one in re.split(r"[\s,]+", text) if one)
    return tuple(dict.fromkeys(re.sub(r"\.sql$", "", one) for one in typed))
