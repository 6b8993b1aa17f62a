"""An env file: lines of `NAME=value`, as docker compose and systemd read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from probes.given_file import read_file

_BLANKS = " \t"
_LINE = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_MAX_BYTES = 1_000_000


class EnvFileError(ValueError):
    """An env file, or a line of it, can't be read; the message doesn't show values."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def read_env_file(path: Path) -> str:
    """Returns the file's text. Raises `EnvFileError`, and `UnreadableFile` for what can't be
    read."""
    try:
        return read_file(path, _MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EnvFileError(f"not UTF-8 at byte {error.start}") from error


def parse_env_file(text: str, wrong: Callable[[EnvFileError], None]) -> dict[str, str]:
    """The values of an env file. Each line that isn't one is handed to `wrong`.

    `'…'` is taken as it stands; in `"…"` a backslash escapes; outside quotes a `#`
    after a space begins a comment. Nothing is expanded. Only LF and CRLF end a line, and only
    spaces and tabs are white space: any other character may be part of a value.
    """
    values: dict[str, str] = {}
    for number, ended in enumerate(text.split("\n"), start=1):
        line = ended.removesuffix("\r").strip(_BLANKS)
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            wrong(EnvFileError("not NAME=value", number))
            continue
        try:
            values[match[1]] = _value(match[2].strip(_BLANKS))
        except ValueError as error:
            wrong(EnvFileError(f"{match[1]}: {error}", number))
    return values


def _value(text: str) -> str:
    if text[:1] not in ("'", '"'):
        return re.split(r"(?:^|(?<![ \t])[ \t]++)#", text, maxsplit=1)[0].strip(_BLANKS)
    pattern = r"'([^']*)'" if text[0] == "'" else r'"((?:[^"\\]|\\.)*)"'
    match = re.fullmatch(rf"{pattern}[ \t]*(?:#.*)?", text, re.DOTALL)
    if match is None:
        raise ValueError("a quote isn't closed, or something follows it")
    if text[0] == "'":
        return match[1]
    return re.sub(r"(?s)\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), match[1])
