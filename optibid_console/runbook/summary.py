"""What a command that the console wrote does, in a few lines at its head.

They are commands that do nothing (`: "…"`), so that their `${NAME}` is filled in and quoted
as everywhere in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from optibid_console.runbook.operations import word

_LINE = re.compile(r': "((?:[^"\\]|\\.)*)"')


def summarised(lines: Iterable[str]) -> list[str]:
    """The head of a command that says `lines`; line breaks in them become spaces."""
    return [f": {word(' '.join(str(line).split()))}" for line in lines]


def summary(command: str) -> tuple[str, ...]:
    """What a command says of itself at its head; empty: nothing."""
    said: list[str] = []
    for line in command.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            break
        said.append(re.sub(r"\\(.)", r"\1", match[1]))
    return tuple(said)
