"""The journal must not be in a database that is deployed: a restore would swap it away."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

from optibid_console import paths
from optibid_console.engine.operations.databases import Database, DatabaseAway
from optibid_console.journal.journal import JournalError
from optibid_console.journal.postgres_table import IDENTITY, Identity
from optibid_console.journal_place import Address
from probes.probe import HostError

FIRST_S = 3.0
"""A window's first engine here waits so long for the databases' answers; what comes later still
counts."""
_AGAIN_S = 5.0


log = logging.getLogger(__name__)


class SameDatabase(JournalError):
    """The journal lies in a database of the runbook."""


class OwnDatabase:
    """Asks each of the runbook's databases which one it is, through its target, until it has
    answered. Not by the text of addresses: one server has many names."""

    def __init__(
        self, journal: Address, identity: Identity, databases: Mapping[str, Database]
    ) -> None:
        self._journal = journal
        self._identity = identity
        self._left = dict(databases)
        stem = paths.beside(journal)
        self._asked = stem.with_name(f"{stem.name}.asked")
        """Which databases an engine of this window has waited for here, answer or not."""

    async def check(self) -> None:
        """Those that answer soon; one that an earlier engine here waited for holds up no start
        any more. Raises `SameDatabase`."""
        named = _digest(self._left)
        if not self._left or await asyncio.to_thread(_text, self._asked) == named:
            return
        await self._wait()
        await asyncio.to_thread(_write, self._asked, named)

    async def _wait(self) -> None:
        task = asyncio.gather(*map(self._ask, tuple(self._left)))
        done, _ = await asyncio.wait({task}, timeout=FIRST_S)
        if done:
            task.result()
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def run(self) -> None:
        """The others, until all have answered. Raises `SameDatabase`."""
        while self._left:
            await asyncio.gather(*map(self._ask, tuple(self._left)))
            if self._left:
                await asyncio.sleep(_AGAIN_S)

    async def _ask(self, name: str) -> None:
        try:
            async with self._left[name].asking() as connection:
                row = await (await connection.execute(IDENTITY.encode())).fetchone()
        except (DatabaseAway, HostError, TimeoutError):
            return
        assert row is not None
        if self._identity.is_of(Identity(*row)):
            raise SameDatabase(
                f"the journal {self._journal} lies in [databases.{name}], which this window "
                f"deploys: restoring it would take the journal away. Give --journal another "
                "database, best on another server"
            )
        self._left.pop(name, None)


def _digest(databases: Mapping[str, Database]) -> str:
    """Of what the runbook says of them: one that is changed is waited for again."""
    said = sorted(repr(one.spec) for one in databases.values())
    return hashlib.sha256("\0".join(said).encode()).hexdigest()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    try:
        paths.write_private(path, text)
    except OSError as error:  # then the next start waits too
        log.warning("%s can't be written: %s", path, error)
