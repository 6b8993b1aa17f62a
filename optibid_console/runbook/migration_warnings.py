"""What `check` warns of in the migrations of a runbook."""

from __future__ import annotations

from collections.abc import Iterator

from optibid_console.runbook.model import Runbook, StepKind
from optibid_console.runbook.positions import KeyPath, line_of
from optibid_console.runbook.problems import Problem, Problems, key_text, shown
from optibid_console.runbook.summary import summary


def migration_warnings(runbook: Runbook, problems: Problems) -> Iterator[Problem]:
    """Yields what can't be judged as the runbook stands."""
    yield from _release_warnings(runbook, problems)
    yield from _runner_warnings(runbook, problems)
    yield from _probe_warnings(runbook, problems)


def _release_warnings(runbook: Runbook, problems: Problems) -> Iterator[Problem]:
    """Yields databases whose migrations are read from a directory that isn't of a release."""
    version = runbook.window.version
    migrated = {one.database for _, one in runbook.steps() if one.kind is StepKind.MIGRATE}
    for database in runbook.databases.values():
        if database.id not in migrated or not version:
            continue
        if database.revision or version in database.migrations:
            continue
        path: KeyPath = ("databases", database.id, "migrations")
        line = line_of(problems.positions, path)
        said = (
            f"what is pending is read from whatever is there, not from {version}: set "
            "revision, or name the release's directory"
        )
        yield Problem(problems.file, line, key_text(path), shown(database.migrations), said)


def _probe_warnings(runbook: Runbook, problems: Problems) -> Iterator[Problem]:
    """Yields probes of a migration that a rollback would turn red though it means that."""
    migrate = [step.id for _, step in runbook.steps() if step.kind is StepKind.MIGRATE]
    undone = {one for action in runbook.actions for step in action.steps for one in step.undoes}
    named = [one for one in migrate if one in undone]
    for probe in runbook.probes.values() if named else ():
        if probe.settings.get("migration") and not probe.brought_by:
            path: KeyPath = ("probes", probe.id)
            said = (
                "a rollback takes this migration back, and the probe would be red for it: name "
                f'the step that brings it, brought_by = ["{named[0]}"]'
            )
            line = line_of(problems.positions, path)
            yield Problem(problems.file, line, key_text((*path, "brought_by")), "", said)


def _runner_warnings(runbook: Runbook, problems: Problems) -> Iterator[Problem]:
    """Yields steps with a runner of their own that may record elsewhere than it is looked for."""
    for _, step in runbook.steps():
        database = runbook.databases.get(step.database)
        if step.kind is not StepKind.MIGRATE or database is None or summary(step.run):
            continue
        if database.applied:
            continue
        path: KeyPath = ("databases", database.id)
        said = (
            f"{step.id} has a runner of its own: what it applied is read from schema_migrations; "
            "where it records in another table, set applied to the query that gives it"
        )
        line = line_of(problems.positions, path)
        yield Problem(problems.file, line, key_text((*path, "applied")), "", said)
