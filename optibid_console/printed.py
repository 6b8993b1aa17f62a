"""Everything that a command prints: no character of it acts on the terminal that shows it.

Names, messages, file names and answers come from configs, servers and other people. A control
character in them could move the cursor or set the terminal's title (ECMA-48), a direction mark
could make a line read as another one (Unicode UAX #9), and an invisible one hide text. Here each
becomes its escape, so that it is seen; `tests/cli/test_nothing_raw.py` holds that no other module
prints.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from typing import Any, NoReturn

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # Cc
    "\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # Cf
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # drawn as nothing
    "\u2028\u2029"  # Zl, Zp
    "\ud800-\udfff"  # Cs: bytes of a file's name that aren't UTF-8
    "]"
)
"""Without those format characters of Cf that are drawn, as U+0600 ARABIC NUMBER SIGN."""


def safe(text: object) -> str:
    r"""Returns the text on one line, with `\x1b`, `\u202e` and the like in the place of each
    character that isn't drawn as itself; a tab becomes a space."""
    return _UNSAFE.sub(_escaped, str(text).replace("\t", " "))


def safe_json(value: Any) -> str:
    """Returns the JSON text of a value on one line, such characters in it as `\\uXXXX`."""
    return _UNSAFE.sub(_json_escaped, json.dumps(value, ensure_ascii=False))


def say(*lines: object, err: bool = False) -> None:
    """Print each line, safe; `err`: on standard error. Raises `OSError`."""
    where = sys.stderr if err else sys.stdout
    text = "".join(f"{safe(line)}\n" for line in lines)
    where.write(text.encode(where.encoding or "utf-8", "backslashreplace").decode(
        where.encoding or "utf-8"))  # fmt: skip
    where.flush()


def say_text(text: str, *, err: bool = False) -> None:
    """Print a text of several lines, each of them safe."""
    say(*text.split("\n"), err=err)


def say_json(value: Any) -> None:
    """Print a JSON value on a line of standard output. Raises `OSError`."""
    say(safe_json(value))


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors show the arguments that they quote safely."""

    def error(self, message: str) -> NoReturn:
        say_text(self.format_usage().rstrip("\n"), err=True)
        say(f"{self.prog}: error: {message}", err=True)
        sys.exit(2)


class SafeFormatter(logging.Formatter):
    """Formats a log record as lines of which each is safe."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(safe(line) for line in super().format(record).split("\n"))


def log_safely() -> None:
    """Let what is logged without a handler of its own, on standard error, be safe too."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(SafeFormatter())


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code in _NAMED:
        return _NAMED[code]
    return f"\\x{code:02x}" if code < 0x100 else _json_escaped(match)


def _json_escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


_NAMED = {0x0A: "\\n", 0x0D: "\\r"}
