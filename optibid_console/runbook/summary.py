"""What a command that the console wrote does, in a few lines at its head.

They are commands that do nothing (`: "…"`), so that their `${NAME}` is filled in and quoted
as everywhere in the text (`operations.summarised`).
"""

from __future__ import annotations

import re

_LINE = re.compile(r': "((?:[^"\\]|\\.)*)"')


def summary(command: str) -> tuple[str, ...]:
    """What a command says of itself at its head; empty: nothing."""
    said: list[str] = []
    for line in command.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            break
        said.append(re.sub(r"\\(.)", r"\1", match[1]))
    return tuple(said)
