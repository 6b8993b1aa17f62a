"""`kind = "restore"`: whether the database is again as its backup was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from psycopg import sql

from optibid_console import entries as e
from optibid_console.database.schema import differences
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.live_run import LiveRun
from optibid_console.engine.operations.databases import Database, DatabaseAway
from optibid_console.engine.reports import Report
from optibid_console.entries import Outcome
from optibid_console.runbook.restore_text import MARK
from optibid_console.state import DatabaseState
from probes.text import counted, one_line

_AGAIN_S = 1.0
_COUNTING_S = 120.0
_NAMED = 3


class Restoring:
    """Judges restores by what the database says after them."""

    def __init__(self, databases: Mapping[str, Database], ledger: Ledger) -> None:
        self._databases = databases
        self._ledger = ledger

    async def before(self, live: LiveRun) -> str:
        """Refuses without a backup of this window; the database itself may well be away."""
        artifact = self._ledger.state.artifacts.get(live.step.database)
        if artifact is None:
            return f"this window has no verified backup of {live.step.database} to restore"
        return ""

    async def during(self, live: LiveRun) -> None:
        """Its command reports how far it is."""

    def report(self, live: LiveRun, report: Report) -> None:
        """What it swapped is read from `live.reports` in the end."""

    async def after(self, live: LiveRun, outcome: Outcome, reason: str) -> tuple[Outcome, str]:
        """Compare it with what was read as the backup was made, as soon as it answers."""
        database = self._databases[live.step.database]
        limit = time.monotonic() + float(live.step.evidence_timeout)
        while True:
            try:
                swapped = await _restored_by(database) == step_mark(live.run_id)
                if outcome is not Outcome.SUCCEEDED:
                    return outcome, f"{reason}; {_LEFT[swapped]}"
                return await self._judged(live, database, swapped)
            except DatabaseAway as away:
                if outcome is not Outcome.SUCCEEDED:
                    return outcome, f"{reason}; {away}"
                if time.monotonic() > limit:
                    return Outcome.FAILED, f"what was restored can't be judged: {away}"
            await asyncio.sleep(_AGAIN_S)

    async def _judged(
        self, live: LiveRun, database: Database, swapped: bool
    ) -> tuple[Outcome, str]:
        state = self._ledger.state
        known = state.databases.get(database.spec.id, DatabaseState())
        if not swapped:
            return Outcome.FAILED, "exit 0, but the restored database wasn't swapped in"
        now, was = await database.schema(), known.backup_schema
        changes = differences(was, now) if was else ()
        if changes:
            more = f" and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
            return Outcome.FAILED, (
                "it was swapped in, but its schema isn't as when it was backed up: "
                f"{', '.join(changes[:_NAMED])}{more}"
            )
        few = await _too_few(database)
        if few:
            return Outcome.FAILED, f"it was swapped in, but {'; '.join(few)}"
        objects = counted(len(now.objects), "schema object is", "schema objects are")
        checks = [f"{objects} as when it was backed up"] if was else []
        checks += [
            f"{table} has {counted(least, 'row')} or more"
            for table, least in database.spec.rows.items()
        ]
        kept_as = next(
            (str(one["kept_as"]) for one in map(_said, live.reports) if one.get("kept_as")), ""
        )
        artifact = state.artifacts[database.spec.id].recorded
        measures = await database.measures()
        await self._ledger.keep(
            e.DatabaseRestored(database.spec.id, live.run_id, artifact.path,
                               one_line(kept_as, 63), tuple(checks))
        )  # fmt: skip
        await database.kept()
        # from here on, going back once more loses what is written after the restore
        await self._ledger.keep(e.DatabaseMarked(database.spec.id, artifact.run_id, measures))
        return Outcome.SUCCEEDED, "; ".join(("restored and swapped in", *checks))


_LEFT = {
    True: "it was swapped in all the same: a retry finds that and judges it",
    False: "the database is as it was",
}


def step_mark(run_id: str) -> str:
    """What marks a database that this step restored: the same for each of its attempts."""
    return run_id.rpartition("-")[0]


def _said(report: Report) -> Mapping[str, object]:
    said = report.get("restored")
    return said if isinstance(said, Mapping) else {}


async def _restored_by(database: Database) -> str:
    """The mark of the restore that this database comes from, or nothing."""
    async with database.asking() as connection:
        row = await (
            await connection.execute(
                "SELECT (regexp_match(shobj_description(oid, 'pg_database'), %s))[1]"
                " FROM pg_database WHERE datname = current_database()",
                [MARK],
            )
        ).fetchone()
    return str(row[0] or "") if row else ""


async def _too_few(database: Database) -> list[str]:
    """The tables that have fewer rows than the runbook expects, in words."""
    few = []
    async with database.asking(_COUNTING_S) as connection:
        for table, least in database.spec.rows.items():
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table.split(".")))
            row = await (await connection.execute(query)).fetchone()
            has = int(row[0]) if row else 0
            if has < least:
                few.append(f"{table} has {counted(has, 'row')}, expected at least {least:,}")
    return few
