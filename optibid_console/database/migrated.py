"""What a migration's run has really done, told from the database before and after it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optibid_console.database.migrations import Migrations
from optibid_console.entries import MigrationsRead, Outcome
from probes.text import counted

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Migrated:
    """The difference that a run made."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    """Migrations that failed, with their error message."""
    gone: tuple[str, ...]
    """They were pending; now there is neither a row nor a file."""
    undeclared: tuple[str, ...]
    """Applied, without a line `-- data-only` in their file."""
    changes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not (self.pending or self.failed or self.gone)


def migrated(before: MigrationsRead, after: Migrations, changes: tuple[str, ...]) -> Migrated:
    """What is in `after` and wasn't before. `changes`: those of the schema."""
    applied = tuple(one for one in after.applied if one not in before.applied)
    return Migrated(
        applied,
        tuple(one for one in after.pending if one not in after.failed),
        tuple(after.failed.items()),
        tuple(one for one in before.pending if one not in (*after.pending, *after.applied)),
        tuple(one for one in applied if one not in after.data_only),
        changes,
    )


def judge(done: Migrated, outcome: Outcome, reason: str) -> tuple[Outcome, str]:
    """The step's outcome and why: the database's word counts, and the exit status can only
    make it worse."""
    left = "; ".join(_left(done, reason))
    if outcome is not Outcome.SUCCEEDED:
        return outcome, f"{reason}; {left}"
    if done.whole and not done.applied:
        return Outcome.SUCCEEDED, "nothing was pending, and nothing was changed"
    if not done.applied and not done.failed:
        names = listed((*done.pending, *done.gone))
        verb = "is" if len((*done.pending, *done.gone)) == 1 else "are"
        return Outcome.FAILED, f"{reason}, but nothing was applied: {names} {verb} still pending"
    if not done.whole:
        return Outcome.FAILED, f"{reason}, but {left}"
    if done.undeclared and not done.changes:
        said = f"{listed(done.undeclared)} {_is(done.undeclared)} applied"
        return Outcome.FAILED, (
            f"{reason}, and schema_migrations says {said}, but the schema is as before (a file "
            "that changes data alone says so: `-- data-only`)"
        )
    return Outcome.SUCCEEDED, left


def _left(done: Migrated, reason: str) -> Iterator[str]:
    """Yields what was done and what wasn't, in words; an error that `reason` has isn't repeated."""
    yield f"{listed(done.applied)} applied" if done.applied else "nothing was applied"
    for name, error in done.failed:
        yield f"{name} failed: {error}" if error and error not in reason else f"{name} failed"
    if done.pending:
        yield f"{listed(done.pending)} not applied"
    if done.gone:
        yield f"{listed(done.gone)} is gone: neither a row nor a file"
    if not done.changes:
        yield "the schema is as before"
        return
    count = len(done.changes)
    yield counted(count, "schema change") + (
        "" if done.whole else f" ({', '.join(done.changes[:_NAMED])}{', …' * (count > _NAMED)})"
    )


def listed(names: Sequence[str]) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown


def _is(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"
