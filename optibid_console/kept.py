"""The databases that restores keep of a failed state: how large, how old, how they go. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from optibid_console.database.kept import Kept
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import DatabaseSpec
from optibid_console.runbook.operations import word
from optibid_console.state import WindowState
from optibid_console.units import format_bytes


def kept_lines(state: WindowState, now: float) -> tuple[str, ...]:
    """Returns a line for each kept database; `now`: seconds since the epoch, UTC."""
    return tuple(_lines(state, now))


def _lines(state: WindowState, now: float) -> Iterator[str]:
    for name, known in state.databases.items():
        spec = state.runbook.databases.get(name) if state.runbook else None
        if spec is None:
            continue
        for one in known.kept:
            size = "size unknown" if one.size_bytes is None else format_bytes(one.size_bytes)
            age = f", kept for {format_span(max(now - one.at, 0.0))}" if one.at else ""
            yield f"{one.name} on {spec.on}: {size}{age}; drop it: {drop_command(spec, one)}"


def drop_command(spec: DatabaseSpec, kept: Kept) -> str:
    """Returns the command that drops it, for a shell on the database's target."""
    program = f"{spec.bin}/dropdb" if spec.bin else "dropdb"
    user = f" --username={_word(spec.user)}" if spec.user else ""
    place = f"--host={_word(spec.host)} --port={spec.port}"
    return f"{_word(program)} {place}{user} {_word(kept.name)}"


def _word(text: str) -> str:
    """A shell word, quoted where it has to be; `${NAME}` of a secret stays a reference."""
    plain = all(one.isalnum() or one in "_-./:@" for one in text)
    return text if plain and text else word(text)
