"""An artifact as people read it: where it is, what was verified, what moment it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from optibid_console.state import Artifact
from optibid_console.units import format_bytes
from screens.glyphs import glyph

_NAMED = {
    "taken_at": "of",
    "wal_lsn": "WAL",
    "transactions": "transact.",
    "server_version": "server",
    "rows": "rows",
}
Fact = tuple[str, str, str]
"""Name, text and tone of a line."""


def artifact_facts(artifact: Artifact) -> Iterator[Fact]:
    """Everything that is known of it."""
    made = artifact.recorded
    yield "artifact", f"{made.target}:{made.path}", "strong"
    if made.size_bytes:
        yield "size", f"{format_bytes(made.size_bytes)} ({made.size_bytes:,} bytes)", "plain"
    if made.sha256:
        yield "sha256", made.sha256, "plain"
    for check in made.checks:
        yield "verified", f"{glyph('ok').drawn} {check}", "ok"
    for key, name in _NAMED.items():
        if made.details.get(key):
            yield name, made.details[key], "plain"
    yield "recorded", f"{_clock(artifact.at)} by {artifact.by}", "plain"


def set_facts(artifacts: Iterable[Artifact]) -> Iterator[Fact]:
    """What the window's backup set has until now, a line each."""
    for artifact in artifacts:
        made = artifact.recorded
        size = f", {format_bytes(made.size_bytes)}" if made.size_bytes else ""
        yield "in the set", f"{made.kind} {made.name}: {made.path}{size}", "dim"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")
