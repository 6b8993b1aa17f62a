"""How deep a TOML text is nested, found before anything walks it by recursion."""

from __future__ import annotations

import re
from typing import Any

MOST_LEVELS = 32
"""The deepest runbook needs some ten."""

_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_TOKEN = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}'
    r"|'''(?:[^']++|'(?!''))*+'{3,5}"
    r'|"""[\s\S]*+'  # a string that isn't closed goes to the end: `tomllib` says so
    r"|'''[\s\S]*+"
    rf"|(?P<key>{_PART}(?:[ \t]*+\.[ \t]*+{_PART})*+)"
    r"""|["'][^\n]*+"""
    r"|\#[^\n]*+",
    re.DOTALL,
)
_KEY_PART = re.compile(_PART)


def long_key(text: str) -> int | None:
    """The line of the first dotted key with more than `MOST_LEVELS` parts, or None.

    `tomllib` takes time by the square of a key's parts, so it must not see such a text. The text
    need not be valid TOML.
    """
    for token in _TOKEN.finditer(text):
        key = token["key"]
        if key is None or key.count(".") < MOST_LEVELS:
            continue
        if len(_KEY_PART.findall(key)) > MOST_LEVELS:
            return text.count("\n", 0, token.start()) + 1
    return None


def nested_line(document: dict[str, Any], text: str) -> int | None:
    """The line where a document goes deeper than `MOST_LEVELS`, or None; 0 where its key can't
    be found in the text."""
    level: list[tuple[str, Any]] = list(document.items())
    for _ in range(MOST_LEVELS):
        level = [
            (name, inner)
            for name, value in level
            if isinstance(value, dict | list)
            for name, inner in (
                value.items() if isinstance(value, dict) else ((name, one) for one in value)
            )
        ]
        if not level:
            return None
    at = text.find(level[0][0])
    return text.count("\n", 0, at) + 1 if at >= 0 else 0
