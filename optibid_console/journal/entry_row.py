"""A journal's entry as a row of a table, wherever that is: what it says, and its hash. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from optibid_console.codec import canonical
from optibid_console.entries import GENESIS, Entry, Plain, fact_from_plain, plain_fact
from optibid_console.journal.journal import JournalError

COLUMNS = ("seq", "at", "mono", "actor", "kind", "body", "prev", "hash")
Row = tuple[Any, ...]
_DECODER = json.JSONDecoder()
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def entry_of(row: Row) -> Entry:
    """The entry that a row holds. Raises `JournalError` when it isn't one."""
    seq, at, mono, actor, kind, body, prev, own = row
    try:
        return Entry(seq, at, mono, actor, fact_from_plain(kind, _parsed(body)), prev, own)
    except (ValueError, TypeError) as error:
        raise JournalError(f"entry {row[0]} of the journal can't be read: {error}") from error


def row_of(entry: Entry, plain: Plain | None = None) -> Row:
    """The row that holds an entry; `plain`: its `plain_fact`, where that is known already."""
    kind, body = plain or plain_fact(entry.fact)
    # In its own order: a runbook's panels stand on screen as they stand in its file.
    return (
        entry.seq, entry.at, entry.mono, entry.actor, kind, _ENCODER.encode(body), entry.prev,
        entry.hash,
    )  # fmt: skip


def digest(row: Row) -> str:
    """The hash that a row should have, over what it says. Raises `ValueError`, also for a body
    that isn't written as it would be: other readers could find something else in it."""
    seq, at, mono, actor, kind, text, prev, _ = row
    try:
        body = _parsed(text)
        if _ENCODER.encode(body) != text:
            raise ValueError("its body isn't as it was written")
        said = canonical(
            {
                "seq": seq, "at": at, "mono": mono, "actor": actor, "kind": kind, "body": body,
                "prev": prev,
            }
        )  # fmt: skip
    except TypeError as error:
        raise ValueError(str(error)) from error
    return hashlib.sha256(said).hexdigest()


def _parsed(body: str) -> Any:
    """What a body says. Raises `ValueError`, and `TypeError` when it isn't even text."""
    try:
        value, end = _DECODER.raw_decode(body)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if end != len(body):
        raise ValueError("there is more than one value in it")
    return value


def checked_head(rows: list[Row], where: str) -> tuple[int, str]:
    """The same for the last two rows, the last one first."""
    if not rows:
        return 0, GENESIS
    last, before = rows[0], rows[1] if len(rows) > 1 else None
    seq, prev, own = last[0], last[6], last[7]
    try:
        whole = digest(last) == own
    except ValueError:
        whole = False
    follows = (prev == GENESIS and seq == 1) if before is None else (
        prev == before[7] and seq == before[0] + 1
    )  # fmt: skip
    if not whole or not follows:
        raise JournalError(
            f"{where}: its last entry ({seq}) was changed or doesn't follow the one before; "
            "keep the file as evidence and go on with another --journal"
        )
    return seq, own
