"""A database looked at all the time, lightly: what is pending, and what going back would lose."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from optibid_console import entries as e
from optibid_console.database.measures import Cost, between
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.operations.databases import Database, DatabaseAway
from optibid_console.runbook.model import StepKind
from optibid_console.signals import CostSampled
from optibid_console.state import OVER, DatabaseState, RunState

EVERY_S = 10.0
_RIGHTS_EVERY_S = 60.0
_RETELL_S = 30.0
_NOTABLE = 1.1
_COMPARED = ("applied", "pending", "failed", "release", "failed_at", "unknown", "lacks")
"""What is another when migrations are recorded anew."""


class DatabaseWatch:
    """Reads one database every ten seconds, and at once when its backup begins or is made, it
    was migrated or restored."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self._id = database.spec.id
        self._mark_after = 0.0
        self._told_at = 0.0
        self._unread_at = 0.0
        self._rights_at = -_RIGHTS_EVERY_S

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        due, turning = loop.time(), self._turning_point
        while True:
            await self._mark()
            turned, turning = turning != self._turning_point, self._turning_point
            if loop.time() >= due or turned:
                due = loop.time() + EVERY_S
                await self._rights()
                await self._pending()
                await self._cost(at_once=turned)
            try:
                async with asyncio.timeout(max(due - loop.time(), 0.0)):
                    await self._ledger.changed()
            except TimeoutError:
                continue

    @property
    def _turning_point(self) -> tuple[object, ...]:
        """When it changes, what going back would lose is another: it is measured at once."""
        known = self._known
        return known.mark, known.no_return, known.restored, known.adopted

    @property
    def _known(self) -> DatabaseState:
        return self._ledger.state.databases.get(self._id, DatabaseState())

    async def _mark(self) -> None:
        """As a backup begins: how far the database has come, and its schema.

        A backup that nobody saw begin is marked when it is there: then less is known to be
        lost than is.
        """
        known = self._known
        wanted = [run.run_id for run in self._under_way(StepKind.BACKUP)]
        if known.backup_run:
            wanted.append(known.backup_run)
        marked = {one.run_id for one in known.marks}
        for run_id in wanted:
            if run_id in marked or time.monotonic() < self._mark_after:
                continue
            try:
                measures, schema = await self._database.measures(), await self._database.schema()
            except DatabaseAway as away:
                self._mark_after = time.monotonic() + EVERY_S
                await self._tell(Cost(self._id, 0.0, 0.0, problem=str(away), failed_at=time.time()))
                continue
            await self._ledger.keep(e.DatabaseMarked(self._id, run_id, measures))
            await self._ledger.keep(
                e.SchemaRead(self._id, "backup", schema.fingerprint, schema.objects, run_id)
            )

    async def _rights(self) -> None:
        """Whether the console's role could restore it, known long before it has to; and what
        restores have kept."""
        now = time.monotonic()
        if now - self._rights_at < _RIGHTS_EVERY_S or not self._restored_by_some_action():
            return
        try:
            await self._database.lacking()
            await self._database.kept()
        except DatabaseAway:  # what is asked next says so
            return
        self._rights_at = now

    def _restored_by_some_action(self) -> bool:
        runbook = self._ledger.state.runbook
        return runbook is not None and any(
            step.kind is StepKind.RESTORE and step.database == self._id
            for action in runbook.actions
            for step in runbook.action_steps(action)
        )

    async def _pending(self) -> None:
        """What is pending, as long as a migration may still come; an entry when it changed."""
        if not self._database.spec.migrations or not self._migration_ahead():
            return
        if self._under_way(StepKind.MIGRATE, StepKind.RESTORE):
            return
        try:
            found = await self._database.migrations()
        except DatabaseAway as away:
            await self._unread(str(away))
            return
        known = self._known.read
        same = known is not None and all(
            getattr(known, one) == getattr(found, one) for one in _COMPARED
        )
        if self._under_way(StepKind.MIGRATE, StepKind.RESTORE):
            return  # it has begun in between: then its own reading counts
        if same:
            await self._unread("")
            return
        await self._ledger.keep(
            e.MigrationsRead(
                self._id,
                "seen",
                found.applied,
                found.pending,
                found.failed,
                release=found.release,
                failed_at=found.failed_at,
                unknown=found.unknown,
                lacks=found.lacks,
            )
        )

    async def _unread(self, why: str) -> None:
        """Record that it can't be read, or can again; another reason at most every half minute."""
        before = self._known.unread
        if why == before or (why and before and time.monotonic() - self._unread_at < _RETELL_S):
            return
        self._unread_at = time.monotonic()
        await self._ledger.keep(e.MigrationsUnread(self._id, why))

    def _migration_ahead(self) -> bool:
        state = self._ledger.state
        steps = state.runbook.steps() if state.runbook else ()
        return any(
            step.kind is StepKind.MIGRATE
            and step.database == self._id
            and state.step(step.id).status not in OVER
            for _, step in steps
        )

    async def _cost(self, *, at_once: bool) -> None:
        """What going back to this window's backup would lose now."""
        known = self._known
        if known.mark is None:
            return
        since = self._since(known)
        try:
            now = await self._database.measures()
        except DatabaseAway as away:
            last = known.cost or Cost(self._id, since, 0.0)
            cost = Cost(
                self._id, since, last.measured_at, last.transactions, last.wal_bytes, last.rows,
                last.restarted, str(away), time.time(),
            )  # fmt: skip
        else:
            lost = between(known.mark.measures, now)
            cost = Cost(
                self._id, since, now.at, lost.transactions, lost.wal_bytes, lost.rows,
                lost.restarted,
            )  # fmt: skip
        await self._tell(cost, at_once=at_once)

    async def _tell(self, cost: Cost, *, at_once: bool = False) -> None:
        self._ledger.signal(CostSampled(cost))
        before = self._known.cost
        if not notable(before, cost) or (
            not at_once
            and before is not None
            and before.problem == cost.problem
            and time.monotonic() - self._told_at < _RETELL_S
        ):
            return
        if not at_once:
            self._told_at = time.monotonic()
        await self._ledger.keep(e.CostMeasured(cost))

    def _since(self, known: DatabaseState) -> float:
        """The moment to which the backup goes back."""
        artifact = self._ledger.state.artifacts.get(self._id)
        said = artifact.recorded.details.get("taken_at", "") if artifact else ""
        try:
            return datetime.fromisoformat(said).timestamp()
        except ValueError:
            return known.mark.measures.at if known.mark else 0.0

    def _under_way(self, *kinds: StepKind) -> list[RunState]:
        state = self._ledger.state
        found = []
        for run in state.unfinished_runs():
            step = state.runbook.step(run.step_id) if state.runbook else None
            if step is not None and step.kind in kinds and step.database == self._id:
                found.append(run)
        return found


def notable(before: Cost | None, now: Cost) -> bool:
    """Whether it is worth an entry: the first one, a tenth more, or whether it can be measured."""
    if before is None or bool(before.problem) != bool(now.problem):
        return True
    return (
        now.transactions > before.transactions * _NOTABLE
        or now.wal_bytes > before.wal_bytes * _NOTABLE
        or len(now.rows) != len(before.rows)
        or _changed(now) > _changed(before) * _NOTABLE
    )


def _changed(cost: Cost) -> int:
    """How many rows: the server counts them up to some seconds after their transactions."""
    return sum(sum(one) for one in cost.rows.values())
