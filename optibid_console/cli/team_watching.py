"""`watch postgresql://…`: a team's window from its journal alone, with no console serving it."""

from __future__ import annotations

from optibid_console.journal.following import JournalWatch
from optibid_console.journal_place import Address, place_of
from optibid_console.source import SourceError


def open_team(link: str, name: str) -> JournalWatch:
    """A source without a `send` that only reads; its runbook comes with the entries, so it needs
    no config. Raises `SourceError` for what is no address."""
    place = place_of(link)
    if not isinstance(place, Address):
        raise SourceError(f"{link} is no postgresql:// address")
    return JournalWatch(place, name)
