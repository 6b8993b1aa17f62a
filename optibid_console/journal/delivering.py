"""What a console recorded in a spill while it was cut off, and deposed: brought to who drives now.

It never goes into the window as the driver's own entries do: those would take its operator, its
epoch and its runs back. It becomes one entry, which holds them all. Everything here blocks.
"""

from __future__ import annotations

import platform
import time
from contextlib import closing
from pathlib import Path

from optibid_console import paths
from optibid_console.codec import canonical
from optibid_console.entries import Entry, OperatorTook, SpillDelivered
from optibid_console.journal import postgres_link, postgres_table, spill
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import Standing
from optibid_console.journal.postgres_link import Connection
from optibid_console.journal_place import Address


def waiting(address: Address) -> list[Path]:
    """The spills of this journal that lie here."""
    return spill.beside(paths.beside(address))


def said(address: Address, found: list[Path]) -> str:
    """That they wait, where, and how they come in; empty when there are none."""
    if not found:
        return ""
    counted = sum(_count(one) for one in found)
    return (
        f"{counted} entries of a rollback that was forced here aren't in the journal: "
        f"{', '.join(map(str, found))}; `{paths.APP} journal deliver '{address}'` brings them in"
    )


def deliver(address: Address, holder: str) -> int:
    """Bring them in; gives how many entries. `holder`: who drove here.

    Raises `JournalError`, also while who holds the journal can't be told of them: a rollback of
    its own may be on its way then.
    """
    count = 0
    for path in waiting(address):
        with spill.held(path):
            entries = spill.read(path)
            with (
                closing(postgres_link.connect(address, writable=True)) as db,
                postgres_link.explained(address, "written"),
            ):
                _check_holder(db, address, path)
                left = [one for one in entries if not _is_there(db, address.window, one)]
                if left:
                    fact = SpillDelivered(
                        _who(left) or holder, platform.node(), str(path),
                        tuple(canonical(one.to_plain()).decode() for one in left),
                    )  # fmt: skip
                    postgres_table.deliver(db, address.window, time.time(), fact)
            spill.remove(path)
        count += len(left)
    return count


def _check_holder(db: Connection, address: Address, path: Path) -> None:
    held, now = postgres_table.lease(db, address.window)
    if postgres_table.worth(held, now) is Standing.SILENT:
        raise JournalError(
            f"{held.holder}'s engine holds {address} and doesn't answer: nothing was delivered, "
            f"and {path} waits; try again once it does, or take the window over here"
        )


def _is_there(db: Connection, journal: str, entry: Entry) -> bool:
    rows = postgres_table.read(db, journal, entry.seq - 1, 1)
    return bool(rows and rows[0][-1] == entry.hash)


def _who(entries: list[Entry]) -> str:
    took = [one.fact.operator for one in entries if isinstance(one.fact, OperatorTook)]
    others = [one.actor for one in entries if one.actor != "console"]
    return (took or others or [""])[-1]


def _count(path: Path) -> int:
    try:
        return len(spill.read(path))
    except JournalError:
        return 0
