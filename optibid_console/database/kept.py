"""The databases that restores keep of a failed state, beside the restored one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

KEPT = r"""
SELECT d.datname::text, CASE WHEN has_database_privilege(d.oid, 'CONNECT')
        OR pg_has_role('pg_read_all_stats', 'MEMBER') THEN pg_database_size(d.oid) END
FROM pg_database d
WHERE starts_with(d.datname, left(current_database(), 40) || '_failed_')
    AND right(d.datname, -length(left(current_database(), 40) || '_failed_')) ~ '^\d{8}_\d{6}$'
ORDER BY 1 LIMIT 100
"""
"""Their names, as a restore makes them (`runbook.restore_text`), and their sizes."""

_STAMP = "%Y%m%d_%H%M%S"


@dataclass(frozen=True, slots=True)
class Kept:
    """A database that a restore put aside."""

    name: str
    size_bytes: int | None
    """None: the console's role may not ask."""

    @property
    def at(self) -> float:
        """When it was put aside, by its name: seconds since the epoch, UTC; 0: nobody knows."""
        try:
            return datetime.strptime(self.name[-15:], _STAMP).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return 0.0


def kept_of(rows: Iterable[tuple[Any, ...]]) -> tuple[Kept, ...]:
    """Returns what the rows of `KEPT` say."""
    return tuple(Kept(str(name), None if size is None else int(size)) for name, size in rows)
