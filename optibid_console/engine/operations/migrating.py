"""`kind = "migrate"`: pending before, locks during, and what was really done after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from optibid_console import entries as e
from optibid_console.adopting import why_unclear
from optibid_console.database.locks import (
    SESSIONS,
    WAITS,
    Session,
    session_name,
    session_of,
    waits_of,
)
from optibid_console.database.migrated import failed_words, judge, migrated
from optibid_console.database.migrations import Migrations
from optibid_console.database.schema import Schema, differences
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.live_run import LiveRun
from optibid_console.engine.operations.databases import Database, DatabaseAway
from optibid_console.engine.reports import Report
from optibid_console.entries import Outcome
from optibid_console.runbook.model import DatabaseSpec
from optibid_console.runbook.summary import summary
from optibid_console.signals import LockWaits
from optibid_console.state import DatabaseState
from optibid_console.unbacked import unbacked
from probes.text import one_line

_LOOK_S = 1.0
_AGAIN_S = 1.0
_LONG_WAIT_S = 5.0
_CHANGES = 200


class Migrating:
    """Watches and judges migrations."""

    def __init__(self, databases: Mapping[str, Database], ledger: Ledger) -> None:
        self._databases = databases
        self._ledger = ledger

    async def before(self, live: LiveRun) -> str:
        """Refuses without a verified backup, and what couldn't be judged afterwards."""
        why_not = unbacked(self._ledger.state, live.step)
        if why_not:
            return why_not
        database = self._databases[live.step.database]
        if self._known(live).adopting is not None:
            return f"an adoption in {database.spec.id} is under way; nothing was started"
        try:
            found = await database.migrations()
            differing = await database.differing() if not summary(live.step.run) else ""
            schema = await database.schema()
        except DatabaseAway as away:
            return f"{away}; nothing was started"
        if differing:
            return _another_set(database.spec, found, differing)
        unclear = why_unclear(database.spec.id, found, writes=bool(summary(live.step.run)))
        if unclear:
            return f"{unclear}; nothing was started"
        name = database.spec.id
        await self._ledger.keep(
            e.SchemaRead(name, "before", schema.fingerprint, schema.objects, live.run_id)
        )
        await self._read(live, "before", found)
        return ""

    async def during(self, live: LiveRun) -> None:
        """Tell who waits for whom, and the first migration that is applied."""
        told: set[tuple[int, ...]] = set()
        shown = LockWaits(live.run_id, live.step.database)
        while True:
            now = await self._look(live)
            if now != shown:
                shown = now
                self._ledger.signal(now)
            for wait in now.waits:
                who = (wait.waiter.pid, *(one.pid for one in wait.blockers))
                if wait.waiter.for_s >= _LONG_WAIT_S and who not in told:
                    told.add(who)
                    await self._ledger.keep(e.LockWaited(live.step.database, live.run_id, wait))
            await asyncio.sleep(_LOOK_S)

    def report(self, live: LiveRun, report: Report) -> None:
        """Which migration failed, and why, is read from `live.reports` in the end."""

    async def after(self, live: LiveRun, outcome: Outcome, reason: str) -> tuple[Outcome, str]:
        """Judged by the database alone, as soon as it answers."""
        known = self._known(live)
        if known.read_before is None or known.read_before.run_id != live.run_id:
            return outcome, reason  # it was never launched: nothing was read before it
        limit = time.monotonic() + float(live.step.evidence_timeout)
        database = self._databases[live.step.database]
        while True:
            try:
                left = await self._sessions(database, live)
                if not left or time.monotonic() > limit:
                    found = await database.migrations()
                    schema = await database.schema()
                    break
            except DatabaseAway as away:
                if time.monotonic() > limit:
                    return _unjudged(outcome, reason, str(away), _said(live))
            await asyncio.sleep(_AGAIN_S)
        changes = self._changes(known, live, schema)
        await self._read(live, "after", found, changes)
        done = migrated(known.read_before, found, changes, _said(live))
        outcome, reason = judge(done, outcome, reason)
        if found.release != known.read_before.release:
            outcome = Outcome.FAILED if outcome is Outcome.SUCCEEDED else outcome
            reason += f"; the release was {known.read_before.release}, and is {found.release} now"
        if left:
            outcome = Outcome.FAILED if outcome is Outcome.SUCCEEDED else outcome
            reason += f"; its session is still at work: {left[0].words}"
        return outcome, reason

    def _known(self, live: LiveRun) -> DatabaseState:
        return self._ledger.state.databases.get(live.step.database, DatabaseState())

    async def _look(self, live: LiveRun) -> LockWaits:
        database = self._databases[live.step.database]
        try:
            async with database.asking() as connection:
                rows = await (await connection.execute(WAITS)).fetchall()
            found = await database.migrations()
        except DatabaseAway as away:
            return LockWaits(live.run_id, live.step.database, (), str(away))
        known = self._known(live).read
        if known is None or found.applied != known.applied:
            await self._read(live, "during", found)
        return LockWaits(live.run_id, live.step.database, waits_of(rows))

    async def _read(
        self, live: LiveRun, moment: str, found: Migrations, changes: tuple[str, ...] = ()
    ) -> None:
        await self._ledger.keep(
            e.MigrationsRead(
                live.step.database, moment, found.applied, found.pending, found.failed,
                changes[:_CHANGES], live.step.id, live.run_id, found.release, found.failed_at,
                found.unknown, found.lacks,
            )
        )  # fmt: skip

    async def _sessions(self, database: Database, live: LiveRun) -> list[Session]:
        """What is left of the run in the database: the server notices within a second that
        its client is gone."""
        async with database.asking() as connection:
            name = session_name(live.run_id)
            rows = await (await connection.execute(SESSIONS, [name])).fetchall()
        return [session_of(tuple(row)) for row in rows]

    def _changes(self, known: DatabaseState, live: LiveRun, now: Schema) -> tuple[str, ...]:
        before = known.before
        if before is None or before.run_id != live.run_id:
            return ()
        return differences(Schema(before.fingerprint, before.objects), now)


def _another_set(spec: DatabaseSpec, found: Migrations, differing: str) -> str:
    """Returns why a runner of the step's own isn't started: its files aren't the release's."""
    return (
        f"{spec.migrations} on {spec.on} isn't that of {found.release}: it is {differing}; check "
        f"{spec.revision} out there, or leave the step's run out: the console then applies the "
        "release's own files; nothing was started"
    )


def _said(live: LiveRun) -> dict[str, str]:
    """Returns the migrations of which the run itself says that they failed, with their errors."""
    return {
        one_line(str(one["failed"]), 120): one_line(str(one.get("error", "")), 300)
        for one in live.reports
        if "failed" in one
    }


def _unjudged(
    outcome: Outcome, reason: str, away: str, failed: Mapping[str, str]
) -> tuple[Outcome, str]:
    """The database doesn't say what was done: that is never a success."""
    said = "; ".join((reason, *failed_words(failed.items(), reason)))
    said += f"; what it did can't be judged: {away}"
    return (Outcome.FAILED if outcome is Outcome.SUCCEEDED else outcome), said
