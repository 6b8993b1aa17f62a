"""Where each key of a TOML text stands: key path → line. `tomllib` doesn't tell.

Reads the structure of TOML 1.0 only (tables, arrays of tables, dotted keys, inline
tables, arrays, the four kinds of strings, comments), of a text that `tomllib` has
accepted; values aren't looked at.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]
"""`("phases", 2, "steps", 1, "on")`: names of keys and indexes of arrays, from 0."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r'[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')
_STRING = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']++|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def positions(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of every key, table and array element of a valid TOML text."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.found


def line_of(positions: Mapping[KeyPath, int], path: KeyPath) -> int:
    """The line of `path`, or of its nearest parent that has one; 0 when none has."""
    while path:
        line = positions.get(path)
        if line is not None:
            return line
        path = path[:-1]
    return 0


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[KeyPath, int] = {}
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._sizes: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        while self._skip(_BLANK) < len(self.text):
            if self.text.startswith("[[", self.at):
                table = self._header("[[", "]]")
            elif self.text[self.at] == "[":
                table = self._header("[", "]")
            else:
                self._pair(table)

    def _header(self, opening: str, closing: str) -> KeyPath:
        line = self._line()
        self.at += len(opening)
        keys = self._keys()
        self._expect(closing)
        path: KeyPath = ()
        for index, key in enumerate(keys):
            path = (*path, key)
            self.found.setdefault(path, line)
            is_last = index == len(keys) - 1
            if is_last and opening == "[[":
                self._sizes[path] = self._sizes.get(path, 0) + 1
            if path in self._sizes:
                path = (*path, self._sizes[path] - 1)
        self.found[path] = line
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self.found.setdefault(path, line)
        self._expect("=")
        self._skip(_SPACE)
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            start = self.at
            token = self.text[start : self._skip(_KEY)]
            keys.append(_unquoted(token))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        first = self.text[self.at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        elif first in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while self.text[self._skip(_BLANK)] != "]":
            element = (*path, index)
            self.found[element] = self._line()
            self._value(element)
            if self.text[self._skip(_BLANK)] == ",":
                self.at += 1
            index += 1
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while self.text[self._skip(_BLANK)] != "}":
            self._pair(path)
            if self.text[self._skip(_BLANK)] == ",":
                self.at += 1
        self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"not TOML at line {self._line()}")
        self.at = match.end()
        return self.at

    def _expect(self, token: str) -> None:
        if not self.text.startswith(token, self.at):
            raise ValueError(f"not TOML at line {self._line()}: expected {token}")
        self.at += len(token)

    def _line(self) -> int:
        return bisect_right(self._lines, self.at)


def _unquoted(token: str) -> str:
    if token.startswith("'"):
        return token[1:-1]
    if token.startswith('"'):
        # TOML's escapes are JSON's, and \UXXXXXXXX
        wide = re.sub(
            r"(\\\\)|\\U([0-9A-Fa-f]{8})",
            lambda match: match[1] or json.dumps(chr(int(match[2], 16)))[1:-1],
            token,
        )
        text: str = json.loads(wide, strict=False)
        return text
    return token
