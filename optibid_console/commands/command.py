"""A command of any kind, how it is answered, and how both are written on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optibid_console.codec import from_plain, to_plain
from optibid_console.commands.databases import DatabaseCommand
from optibid_console.commands.gates import GateCommand
from optibid_console.commands.people import PeopleCommand
from optibid_console.commands.sharing import SharingCommand
from optibid_console.commands.steps import StepCommand
from optibid_console.commands.window import WindowCommand
from optibid_console.entries import kind_of
from optibid_console.runbook.difference import RunbookDifference

Command = (
    WindowCommand | StepCommand | DatabaseCommand | GateCommand | PeopleCommand | SharingCommand
)
COMMANDS: Mapping[str, type[Any]] = {kind_of(one): one for one in Command.__args__}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The engine does it. `said` is what to show, when there is something to say."""

    said: str = ""
    seq: int = 0
    """The journal's last entry then."""
    link: str = field(default="", repr=False)
    """Of `Share`: the link with its token, which nothing but this reply knows."""
    runbook: RunbookDifference | None = None
    """Of `LookAtRunbook`: how the config differs from the window's runbook."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The engine doesn't do it, and why: a sentence for the person."""

    why: str
    words: str = ""
    """What has to be typed to do it all the same; empty: there is no such way."""


Reply = Accepted | Refused


def command_to_plain(command: Command) -> dict[str, Any]:
    return {"kind": kind_of(type(command)), "body": to_plain(command)}


def command_from_plain(value: Mapping[str, Any]) -> Command:
    """Raises `ValueError` for what isn't a command."""
    known = COMMANDS.get(str(value.get("kind")))
    if known is None:
        raise ValueError(f"no command {value.get('kind')!r}")
    command: Command = from_plain(known, value.get("body", {}))
    return command
