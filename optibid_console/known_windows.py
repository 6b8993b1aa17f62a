"""Which windows are open, as far as this machine knows: by its journals and its engines."""

from __future__ import annotations

from optibid_console import engine_record, paths
from optibid_console.journal.places import open_window, open_windows_in
from optibid_console.journal_place import Address, Place, place_of


def open_windows() -> frozenset[str]:
    """The ids of the open windows in this user's journals, and in those that an engine runs.

    Raises `JournalError` for a journal that can't be read: its window may be open. Reads
    files; call it in a thread.
    """
    running = {place_of(one.journal) for one in engine_record.running()}
    kept = (one.resolve() for one in paths.windows_dir().glob("*.journal"))
    journals: set[Place] = {*kept, *running}
    found = [open_window(journal) for journal in sorted(journals, key=str)]
    teams = {one.named("") for one in journals if isinstance(one, Address)}
    shared = [window for team in teams for window in open_windows_in(team)]
    return frozenset(one for one in (*found, *shared) if one)
