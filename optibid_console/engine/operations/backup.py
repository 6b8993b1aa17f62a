"""What makes a backup count: not its exit status, but the verified artifact that it reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from optibid_console import entries as e
from optibid_console.backup_facts import backup_prefixes, facts_of_backup
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.live_run import LiveRun
from optibid_console.engine.operations.databases import Database, DatabaseAway
from optibid_console.engine.operations.retaining import OpenWindows, open_stamps
from optibid_console.engine.reports import Report
from optibid_console.journal.journal import JournalError
from optibid_console.runbook.backup_shell import KEEP_ALL, OPEN_STAMPS
from optibid_console.runbook.model import Runbook, StepKind
from optibid_console.state import WindowState
from optibid_console.undone import did_nothing
from probes.text import one_line

NO_ARTIFACT = "it ended with exit 0 but reported no verified backup: nothing counts as one"

_LONGEST = 300


class BackupOperation:
    """`kind = "backup"`: the artifact and its facts, or why there is none and what is left."""

    def __init__(
        self,
        runbook: Runbook,
        ledger: Ledger,
        open_windows: OpenWindows,
        databases: Mapping[str, Database],
    ) -> None:
        self._runbook = runbook
        self._ledger = ledger
        self._databases = databases
        self._open_windows = open_windows

    async def before(self, live: LiveRun) -> str:
        """A backup made after a migration isn't what a rollback may go back to."""
        made = self._ledger.state.artifacts.get(live.step.database)
        changed_by = migrated_since(self._ledger.state, self._runbook, live.step.database)
        if made is None or not changed_by:
            live.spec = replace(live.spec, env={**live.spec.env, **await self._open()})
            return ""
        return (
            f"{changed_by} has begun to change the database since this window's backup: one made "
            f"now would take its place, and rollback needs {made.recorded.path}"
        )

    async def _open(self) -> Mapping[str, str]:
        """For the command: whose backups have to stay, whatever their number and age."""
        try:
            stamps = await open_stamps(self._open_windows, self._ledger.state.stamp)
        except (JournalError, OSError, ValueError) as error:
            return {KEEP_ALL: one_line(str(error), _LONGEST)}
        return {OPEN_STAMPS: " ".join(stamps)}

    async def during(self, live: LiveRun) -> None:
        return

    def report(self, live: LiveRun, report: Report) -> None:
        return

    async def after(self, live: LiveRun, outcome: e.Outcome, reason: str) -> tuple[e.Outcome, str]:
        artifact = artifact_of(live)
        if outcome is e.Outcome.SUCCEEDED and artifact is not None:
            await self._record(live, artifact)
            return outcome, "; ".join((reason, *artifact.checks, *await self._but(live)))
        if outcome is e.Outcome.SUCCEEDED:
            outcome, reason = e.Outcome.FAILED, NO_ARTIFACT
        elif outcome is e.Outcome.FAILED:
            reason = _said(live, "problem") or reason
        return outcome, "; ".join((reason, *left_behind(live, artifact)))

    async def _but(self, live: LiveRun) -> list[str]:
        """What stands in the way of restoring what was backed up."""
        database = self._databases[live.step.database]
        try:
            lacking = await database.lacking()
        except DatabaseAway:
            known = self._ledger.state.databases.get(live.step.database)
            lacking = known.lacking if known else ()
        return [f"but it can't be restored: {one}" for one in lacking]

    async def _record(self, live: LiveRun, artifact: e.ArtifactRecorded) -> None:
        """What isn't in the journal yet: an engine may have died in between."""
        state = self._ledger.state
        by = state.runs[live.run_id].by if live.run_id in state.runs else ""
        known = state.artifacts.get(artifact.name)
        if known is None or known.recorded.run_id != live.run_id:
            await self._ledger.keep(artifact, by)
        facts = facts_of_backup(artifact, backup_prefixes(live.step.database))
        for fact, value in facts.items():
            if self._ledger.state.facts.get(fact) != value:
                await self._ledger.keep(e.FactRecorded(fact, value, live.step.id))


def artifact_of(live: LiveRun) -> e.ArtifactRecorded | None:
    """The artifact that the run reported, each part of it of the type that it must have."""
    said = next((one["artifact"] for one in reversed(live.reports) if "artifact" in one), None)
    if not isinstance(said, Mapping):
        return None
    path, size, sha256 = (said.get(key) for key in ("path", "size_bytes", "sha256"))
    checks, details = said.get("checks"), said.get("details")
    if not (isinstance(path, str) and path.startswith("/") and path.isprintable()):
        return None
    if not (isinstance(size, int) and not isinstance(size, bool) and 0 < size < 1 << 62):
        return None
    if not (isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256)):
        return None
    if not (isinstance(checks, list) and checks and isinstance(details, Mapping)):
        return None
    return e.ArtifactRecorded(
        name=live.step.database,
        kind="database",
        target=live.step.on,
        path=path,
        size_bytes=size,
        sha256=sha256,
        checks=tuple(one_line(str(one), _LONGEST) for one in checks),
        details={str(key): one_line(str(one), _LONGEST) for key, one in details.items()},
        step_id=live.step.id,
        run_id=live.run_id,
    )


def left_behind(live: LiveRun, artifact: e.ArtifactRecorded | None) -> Iterator[str]:
    """What a run that made no backup has left on its target, as far as it came to say it."""
    part, removed, kept = (_said(live, key) for key in ("part", "removed", "left"))
    if kept:
        yield f"what there is of it is kept as {kept}; it is no backup"
    elif artifact is not None:
        yield f"{artifact.path} was finished all the same; it isn't counted"
    elif part and removed == part:
        yield "the unfinished dump was removed"
    elif part:
        yield f"an unfinished dump may be left: {part}"
    scratch = _said(live, "scratch")
    if scratch:
        yield f"the scratch database {scratch} may be left"


def _said(live: LiveRun, key: str) -> str:
    """What the run last reported under this key; empty: nothing."""
    said = next((one[key] for one in reversed(live.reports) if key in one), "")
    return one_line(str(said), _LONGEST)


def migrated_since(state: WindowState, runbook: Runbook, database: str) -> str:
    """The step that last changed the database after its backup; empty: none, or it was
    restored."""
    made = state.artifacts.get(database)
    last = ""
    for run in state.runs.values():
        step = runbook.step(run.step_id)
        if made is None or step is None or step.database != database or run.started_at < made.at:
            continue
        if step.kind is StepKind.MIGRATE and not did_nothing(state, run):
            last = step.id
        elif (
            step.kind is StepKind.RESTORE and run.ended and run.ended.outcome is e.Outcome.SUCCEEDED
        ):
            last = ""
    return last
