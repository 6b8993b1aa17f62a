"""An env file: lines of `NAME=value`, as docker compose and systemd read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_MAX_BYTES = 1_000_000


class EnvFileError(ValueError):
    """An env file, or a line of it, can't be read; the message doesn't show values."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def read_env_file(path: Path) -> str:
    """The file's text. Raises `EnvFileError`."""
    try:
        if path.is_file() and path.stat().st_size > _MAX_BYTES:
            raise EnvFileError(f"larger than {_MAX_BYTES} bytes")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EnvFileError(f"not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise EnvFileError((error.strerror or str(error)).lower()) from error


def parse_env_file(text: str, wrong: Callable[[EnvFileError], None]) -> dict[str, str]:
    """The values of an env file. Each line that isn't one is handed to `wrong`.

    `'…'` is taken as it stands; in `"…"` a backslash escapes; outside quotes a `#`
    after a space begins a comment. Nothing is expanded.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            wrong(EnvFileError("not NAME=value", number))
            continue
        try:
            values[match[1]] = _value(match[2].strip())
        except ValueError as error:
            wrong(EnvFileError(f"{match[1]}: {error}", number))
    return values


def _value(text: str) -> str:
    if text[:1] not in ("'", '"'):
        return re.split(r"(?:^|(?<!\s)\s++)#", text, maxsplit=1)[0].strip()
    pattern = r"'([^']*)'" if text[0] == "'" else r'"((?:[^"\\]|\\.)*)"'
    match = re.fullmatch(rf"{pattern}\s*(?:#.*)?", text)
    if match is None:
        raise ValueError("a quote isn't closed, or something follows it")
    if text[0] == "'":
        return match[1]
    return re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), match[1])
