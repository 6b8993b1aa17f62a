"""What is wrong with a runbook: every problem with its place, its value and a way out."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optibid_console.runbook.positions import KeyPath, line_of

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LISTED = 12
_SHOWN_CHARS = 80
_MOST_WITH_NEAREST = 500
"""Looking for the nearest name takes a millisecond: not for each of 100,000 problems."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it is, and what would be right."""

    file: str
    line: int
    """From 1; 0: the file as a whole."""
    key: str
    """`phases[2].steps[1].on`; empty: the file as a whole."""
    value: str
    """What stands there, as TOML would write it, cut to a line; empty: nothing does."""
    message: str
    accepted: tuple[str, ...] = ()
    """The names or values that would be right, when they can be listed."""
    nearest: str = ""
    """The accepted name that looks most like what was written."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = f"{place} {self.key}" if self.key else place
        hint = f' (did you mean "{self.nearest}"?)' if self.nearest else ""
        return f"{where}: {self.message}{hint}"

    def to_plain(self) -> dict[str, Any]:
        """The problem as a JSON value, for `check --json`."""
        return {
            "file": self.file, "line": self.line, "key": self.key, "value": self.value,
            "message": self.message, "accepted": list(self.accepted), "nearest": self.nearest,
        }  # fmt: skip


class RunbookError(Exception):
    """The runbook can't be used; `problems` says all that is wrong with it."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(one) for one in self.problems))


@dataclass(slots=True)
class Problems:
    """Collects the problems of one file."""

    file: str
    positions: Mapping[KeyPath, int] = field(default_factory=dict)
    found: list[Problem] = field(default_factory=list)

    def add(
        self,
        path: KeyPath,
        message: str,
        value: Any = None,
        accepted: Iterable[str] = (),
        nearest: str = "",
    ) -> None:
        """Note what is wrong at `path`; the line is the key's own or its nearest parent's."""
        self.found.append(
            Problem(
                self.file, line_of(self.positions, path), key_text(path),
                "" if value is None else shown(value), message, tuple(accepted), nearest,
            )
        )  # fmt: skip

    def warning(self, path: KeyPath, message: str, value: str = "") -> Problem:
        """Returns something that a person should know about `path`; it isn't noted."""
        return Problem(self.file, line_of(self.positions, path), key_text(path), value, message)

    def no_such(self, path: KeyPath, what: str, name: str, known: Iterable[str]) -> None:
        """Note that `name` is none of the `known` names of a kind (`what`: `target`)."""
        names = tuple(known)
        plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
        plural = "criteria" if what == "criterion" else plural
        listed = f"{plural} are {listing(names)}" if names else f"there are no {plural}"
        message = f"no {what} {shown(name)}; {listed}"
        self.add(path, message, name, names, self._nearest(name, names))

    def unknown_key(self, path: KeyPath, value: Any, known: Iterable[str]) -> None:
        """Note that the last key of `path` is none of the `known` keys of its table."""
        names = tuple(sorted(dict.fromkeys(known)))
        message = f"unknown key; keys here are {listing(names)}"
        self.add(path, message, value, names, self._nearest(str(path[-1]), names))

    def noted(self, path: KeyPath) -> bool:
        """Whether something is wrong at `path` already: what follows from it isn't noted too."""
        key = key_text(path)
        return any(one.key == key for one in self.found)

    def _nearest(self, name: str, names: tuple[str, ...]) -> str:
        return nearest_of(name, names) if len(self.found) < _MOST_WITH_NEAREST else ""

    def place(self, path: KeyPath) -> str:
        """`config.toml:214 phases[2].title`."""
        return f"{self.file}:{line_of(self.positions, path)} {key_text(path)}"

    def sorted(self) -> tuple[Problem, ...]:
        """All problems in the order of the file, each once."""
        return tuple(sorted(dict.fromkeys(self.found), key=lambda one: one.line))


def key_text(path: KeyPath) -> str:
    """`phases[2].steps[1].on`; a key that needs quotes in TOML gets them here too."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        key = part if _BARE_KEY.fullmatch(part) else json.dumps(part)
        text += f".{key}" if text else key
    return text


def shown(value: Any) -> str:
    """A value from the file on one line, without control characters, cut when it is long."""
    plain = value if isinstance(value, str | bool | int | float | list | dict) else str(value)
    text = json.dumps(plain, ensure_ascii=False, default=str)
    text = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"


def listing(names: tuple[str, ...]) -> str:
    """`a, b, c`, or the first dozen and how many more."""
    if len(names) <= _LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:_LISTED])} and {len(names) - _LISTED} more"


def nearest_of(name: str, names: Iterable[str]) -> str:
    """The name that looks most like `name`, or an empty text when none does."""
    by_lower = {one.lower(): one for one in names}
    found = difflib.get_close_matches(name.lower()[:100], by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""
