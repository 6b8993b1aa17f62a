"""Steps whose command the console writes itself: `kind = "backup"` and its like.

Such a step names a `[databases.ID]`; its `run` is made from that table before `${NAME}`
is filled in, so that quoting, secrets, previews and the journal treat it as any command.
A value stands in the text as `word` makes it: literal, but for its `${NAME}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Table = Mapping[str, Any]

_REFERENCE = re.compile(r"\$\$?\{[A-Za-z_][\w.-]*\}")
_SPECIAL = re.compile(r'([\\$"`])')

REPORTING = """
report() { run=${OPTIBID_RUN%/}; printf '\\036%s %s\\n' "${run##*/}" "$1"; }
"""
"""The shell function by which a command reports to the console: one line of JSON that is
no output (`engine/reports.py`). The run's name in it is what other output can't know."""

TextMaker = Callable[[Table, Table], str]
"""A step's and its database's tables → the step's shell text, with its `${NAME}`.

The tables aren't checked yet: `dbname` is there, the rest may be missing or of any type."""

TEXTS: dict[str, TextMaker] = {}
"""Kind of step → how its text is made. Filled by the modules that `load` imports."""


def word(value: object) -> str:
    """One shell word that stands for `value`, whatever is in it; its `${NAME}` stay references."""
    text = str(value)
    parts: list[str] = []
    done = 0
    for found in _REFERENCE.finditer(text):
        parts += (_SPECIAL.sub(r"\\\1", text[done : found.start()]), found[0])
        done = found.end()
    return '"' + "".join((*parts, _SPECIAL.sub(r"\\\1", text[done:]))) + '"'


def summarised(lines: Iterable[str]) -> list[str]:
    """The head of a command that says `lines` of itself (`runbook.summary`)."""
    return [f": {word(' '.join(str(line).split()))}" for line in lines]


def with_texts(document: Table) -> dict[str, Any]:
    """The document with a `run` in each step whose kind has a text, where its tables allow.

    What is wrong with the tables is noted where they are read.
    """
    databases = document.get("databases")
    known = databases if isinstance(databases, Mapping) else {}
    return {
        key: [_with_steps(one, known) for one in value]
        if key in ("phases", "actions") and isinstance(value, list)
        else value
        for key, value in document.items()
    }


def _with_steps(parent: Any, databases: Table) -> Any:
    if not isinstance(parent, Mapping) or not isinstance(parent.get("steps"), list):
        return parent
    return {**parent, "steps": [_with_text(step, databases) for step in parent["steps"]]}


def _with_text(step: Any, databases: Table) -> Any:
    if not isinstance(step, Mapping):
        return step
    kind, name = step.get("kind"), step.get("database")
    database = databases.get(name) if isinstance(name, str) else None
    make = TEXTS.get(kind) if isinstance(kind, str) else None
    if make is None or not isinstance(database, Mapping) or "dbname" not in database:
        return step
    return {"on": database.get("on", ""), **step, "run": make(step, database)}
