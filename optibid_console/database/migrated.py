"""What a migration's run has really done, told from the database before and after it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from optibid_console.database.migrations import Migrations
from optibid_console.entries import MigrationsRead, Outcome
from probes.text import counted

_NAMED = 3
NOTHING: Mapping[str, str] = {}


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
    by_files: bool = True
    """The files are known, so that it is known what is pending."""

    @property
    def whole(self) -> bool:
        return not (self.pending or self.failed or self.gone)


def migrated(
    before: MigrationsRead,
    after: Migrations,
    changes: tuple[str, ...],
    said: Mapping[str, str] = NOTHING,
) -> Migrated:
    """Returns what is in `after` and wasn't before. `changes`: those of the schema; `said`: the
    migrations that the run itself says failed, with their errors. A row of a failure that was
    there before the run isn't of the run."""
    applied = tuple(one for one in after.applied if one not in before.applied)
    failed = {
        name: error
        for name, error in after.failed.items()
        if before.failed.get(name) != error
        or before.failed_at.get(name) != after.failed_at.get(name)
    }
    failed.update({name: error for name, error in said.items() if name not in after.applied})
    return Migrated(
        applied,
        tuple(one for one in after.pending if one not in failed),
        tuple(failed.items()),
        tuple(one for one in before.pending if one not in (*after.pending, *after.applied)),
        tuple(one for one in applied if one not in after.data_only),
        changes,
        bool(before.pending or before.applied),
    )


def judge(done: Migrated, outcome: Outcome, reason: str) -> tuple[Outcome, str]:
    """The step's outcome and why: the database's word counts, and the exit status can only
    make it worse."""
    left = "; ".join(_left(done, reason))
    if outcome is not Outcome.SUCCEEDED:
        return outcome, f"{reason}; {left}"
    if done.whole and not done.applied:
        none = "nothing was pending" if done.by_files else "nothing was recorded as applied"
        if not done.changes:
            return Outcome.SUCCEEDED, f"{none}, and nothing was changed"
        return Outcome.SUCCEEDED, f"{none}, but {left.removeprefix('nothing was applied; ')}"
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
    yield from failed_words(done.failed, reason)
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


def failed_words(failed: Iterable[tuple[str, str]], reason: str) -> Iterator[str]:
    """Yields what failed; an error that `reason` has isn't repeated."""
    for name, error in failed:
        yield f"{name} failed: {error}" if error and error not in reason else f"{name} failed"


def listed(names: Sequence[str]) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown


def _is(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"
