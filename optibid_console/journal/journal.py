"""What every journal is: numbered entries, appended by one writer and read by number."""

from __future__ import annotations

from typing import Protocol

from optibid_console.entries import Entry, Fact, Unread


class JournalError(Exception):
    """The journal can't be opened, written or read; the message says what, where, what next."""

    exit_code = 2
    """How a command ends that was given this journal."""


class Journal(Protocol):
    """Appends and reads; an entry that `append` returned survives a power cut."""

    async def append(self, actor: str, fact: Fact | Unread, mono: float | None = None) -> Entry:
        """Seal the next entry and commit it. `mono` is in seconds; None: this moment's.

        Raises `JournalError` when it can't be committed (then nothing was written, and
        the next append may well work) and `ValueError` for a fact without a JSON form.
        """

    async def read(self, after: int, limit: int) -> list[Entry]:
        """At most `limit` entries in order, from number `after + 1` on."""

    def head(self) -> tuple[int, str]:
        """The last committed entry's number and hash; `(0, GENESIS)` when there is none."""

    async def close(self) -> None: ...
