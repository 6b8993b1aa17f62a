"""What every journal is: numbered entries, appended by one writer and read by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from optibid_console.entries import Entry, Fact, Unread

if TYPE_CHECKING:
    from optibid_console.journal.lease import EngineId, Lease


class JournalError(Exception):
    """The journal can't be opened, written or read; the message says what, where, what next."""

    exit_code = 2
    """How a command ends that was given this journal."""


class JournalBusy(JournalError):
    """Another process is in the middle of writing it, for too long."""


class JournalAway(JournalError):
    """The server of the journal can't be reached: it goes on by itself once it can."""


class JournalMoved(JournalError):
    """Another file lies at its path than the one that is open: what is written there is lost."""


class JournalWentBack(JournalAway):
    """The server that answers now lacks entries that were acknowledged."""


class JournalSilent(JournalError):
    """The journal hasn't answered for too long: what it was asked may be done, or not."""


class Journal(Protocol):
    """Appends and reads; an entry that `append` returned survives a power cut."""

    @property
    def patience_s(self) -> float:
        """A journal that owes an answer for so long, in seconds, counts as silent."""

    async def append(self, actor: str, fact: Fact | Unread, mono: float | None = None) -> Entry:
        """Seal the next entry and commit it. `mono` is in seconds; None: this moment's.

        In the same commit it is checked that this engine still holds the lease (or, for one
        that never took it, that nobody does): else `Deposed`.
        Raises `JournalError` when it can't be committed (then nothing was written, and
        the next append may well work) and `ValueError` for a fact without a JSON form.
        """

    async def append_sealed(self, entries: Sequence[Entry]) -> None:
        """Commit entries that were sealed after this journal's head, all or none.

        Raises `JournalError`, also when the first one doesn't follow the head.
        """

    async def read(self, after: int, limit: int) -> list[Entry]:
        """At most `limit` entries in order, from number `after + 1` on."""

    def head(self) -> tuple[int, str]:
        """The last committed entry's number and hash; `(0, GENESIS)` when there is none."""

    async def acquire(
        self, holder: str, engine: EngineId, take_over: str = "", of: str = ""
    ) -> Lease:
        """Hold the journal from now on; raises the epoch, and `head` is then the last entry.

        `take_over`: the reason for taking it from an engine that lives; without one
        `LeaseHeld` is raised then. One that is dead or gave it back needs no reason.
        `of`: its holder's name, which the journal of a team also asks for while that engine
        beats: nobody here can see whether it is well.
        """

    async def beat(self) -> None:
        """Say that this engine lives and holds it. Raises `Deposed` when another one does."""

    async def lease(self) -> Lease:
        """Who holds it now."""

    async def release(self) -> None:
        """Give it back. Does nothing when another engine holds it."""

    def silent_s(self) -> float:
        """For how long it has owed an answer, in seconds; 0: it owes none."""

    def give_up(self) -> None:
        """Wait no longer: what it was asked fails now, where that can be."""

    def doubtful(self) -> tuple[Entry, ...]:
        """Entries right behind the head that were sent when the journal went away: only it
        knows whether they are in it, until it is back."""

    async def moved(self) -> str:
        """Why its path doesn't have the files any more that it has open, and what next; empty:
        it does. A server's journal has no path."""

    async def close(self) -> None: ...
