"""The signals that an engine shows beside a team's journal, each once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optibid_console.feed.messages import WireError
from optibid_console.feed.wire import decode
from optibid_console.journal.journal import JournalAway, JournalError
from optibid_console.journal.lease import SILENT_S
from optibid_console.signals import (
    CostSampled,
    Link,
    LockWaits,
    Presence,
    Progress,
    Pulse,
    Sampled,
    Signal,
)

if TYPE_CHECKING:
    from optibid_console.journal.postgres import PostgresJournal
    from optibid_console.journal.present import Present

_KINDS = (Sampled, Link, Progress, LockWaits, CostSampled, Presence, Pulse)


class ShownSignals:
    """What is new since the last look. A journal may lack it (a standby, a schema from before):
    then there are none, and its entries go on."""

    def __init__(self) -> None:
        self._life = ""
        self._number = 0

    async def news(self, journal: PostgresJournal) -> list[Signal]:
        """Raises `JournalAway`."""
        try:
            present = await journal.shown()
        except JournalAway:
            raise
        except JournalError:
            return []
        return [] if present is None else self._new(present)

    def _new(self, present: Present) -> list[Signal]:
        if present.life != self._life:
            self._life, self._number = present.life, 0
        found: list[Signal] = []
        for frame in present.frames:
            try:
                signal, number = decode(frame)
            except WireError:  # another version's: what it means isn't known here
                continue
            if number <= self._number or not isinstance(signal, _KINDS):
                continue
            self._number = number
            if isinstance(signal, Pulse):
                if present.age_s > SILENT_S:
                    continue  # the engine may be gone: its clock says nothing about now
                signal = replace(signal, at=present.at + present.age_s)
            found.append(signal)
        return found
