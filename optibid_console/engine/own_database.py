"""The journal must not be in a database that is deployed: a restore would swap it away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from optibid_console.engine.operations.databases import Database, DatabaseAway
from optibid_console.journal.journal import JournalError
from optibid_console.journal.postgres_table import IDENTITY, Identity
from optibid_console.journal_place import Address
from probes.probe import HostError

FIRST_S = 3.0
"""An engine that starts waits so long for the databases' answers; what comes later still counts."""
_AGAIN_S = 5.0


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

    async def check(self) -> None:
        """Those that answer soon. Raises `SameDatabase`."""
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
