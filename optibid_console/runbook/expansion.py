"""`${NAME}` in a parsed config.toml: plain values filled in, secrets kept and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optibid_console.runbook.command_limits import Command
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems
from optibid_console.runbook.shape import Filled, Unfilled
from optibid_console.runbook.shell_text import REFERENCE, fill, guard, references, unescape

_WITH_STEPS = ("phases", "actions")
_WITH_SETTINGS = ("probes", "panels")
_NEVER_FILLED = ("environment",)


@dataclass(slots=True)
class Expansion:
    """Walks a document once. What it meets on the way is in its fields afterwards."""

    values: Mapping[str, str]
    """Every name that has a value."""
    plain: frozenset[str]
    common_keys: Mapping[str, frozenset[str]]
    """`probes`, `panels` → the keys that don't belong to the kind's settings."""
    problems: Problems
    secrets: set[str] = field(default_factory=set)
    """The secret names that are used and have a value."""
    missing: dict[str, list[KeyPath]] = field(default_factory=dict)
    facts: list[tuple[str, KeyPath]] = field(default_factory=list)
    """`${dotted.name}` and where."""
    first_use: dict[str, KeyPath] = field(default_factory=dict)
    """Of each secret: where it is named first."""
    commands: list[Command] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Every name that is referred to."""

    def document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document with its plain values filled in."""
        window = document.get("window")
        version = window.get("version") if isinstance(window, Mapping) else None
        if isinstance(version, str):
            known = {name: self.values[name] for name in self.plain & self.values.keys()}
            filled = REFERENCE.sub(lambda match: known.get(match[1], match[0]), version)
            self.used.update(match[1] for match in REFERENCE.finditer(version))
            self.values = {**self.values, "window.version": filled}
            self.plain |= {"window.version"}
        return {
            key: one if key in _NEVER_FILLED else self._walk(one, (key,))
            for key, one in document.items()
        }

    def _walk(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, str):
            if "${" in value:
                return self._text(value, path)
            if _is_shell(path):
                self.commands.append(Command(path, value, ()))
            return value
        if isinstance(value, Mapping):
            return {key: self._walk(one, (*path, key)) for key, one in value.items()}
        if isinstance(value, list):
            return [self._walk(one, (*path, index)) for index, one in enumerate(value)]
        return value

    def _text(self, text: str, path: KeyPath) -> str:
        if _is_shell(path):
            return self._shell(text, path)
        names = [match[1] for match in REFERENCE.finditer(text)]
        self._meet(names, path)
        in_settings = self._in_settings(path)
        if not in_settings:
            self._refuse_secrets(names, path)
        made = REFERENCE.sub(lambda match: self._plain_value(match[1], in_settings), text)
        if not in_settings:
            made = made.replace("$${", "${") if "$${" in text else made
        if self.missing.keys() & set(names):
            return Unfilled(made)
        whole = REFERENCE.fullmatch(text)
        return Filled(made) if whole and whole[1] in self.plain else made

    def _plain_value(self, name: str, in_settings: bool) -> str:
        if name not in self.plain or name not in self.values:
            return f"${{{name}}}"
        value = self.values[name]
        # settings are read again when their secrets are revealed; a value's ${ isn't meant
        return value.replace("${", "$${") if in_settings else value

    def _shell(self, text: str, path: KeyPath) -> str:
        names = references(text)
        self._meet(names, path)
        known = {name: self.values[name] for name in self.plain & self.values.keys()}
        secret = {name for name in names if "." not in name} - self.plain
        dotted = {name: "" for name in names if "." in name and name not in known}
        steps: tuple[Callable[[str], str], ...] = (
            lambda one: guard(one, secret),
            lambda one: fill(one, known),
            unescape,
        )
        try:
            fill(text, dotted)
            for step in steps:
                text = step(text)
        except ValueError as error:
            self.problems.add(path, str(error), text)
        there = tuple(sorted(name for name in secret if name in self.values))
        self.commands.append(Command(path, text, there))
        return text

    def _meet(self, names: list[str] | tuple[str, ...], path: KeyPath) -> None:
        self.used.update(names)
        for name in names:
            if name in self.values:
                if name not in self.plain:
                    self.secrets.add(name)
                    self.first_use.setdefault(name, path)
            elif "." in name:
                self.facts.append((name, path))
            else:
                places = self.missing.setdefault(name, [])
                if path not in places:
                    places.append(path)

    def _refuse_secrets(self, names: list[str], path: KeyPath) -> None:
        for name in dict.fromkeys(names):
            if name in self.values and name not in self.plain:
                self.problems.add(
                    path,
                    f"${{{name}}} is a secret, and this is shown to people; secrets can stand in "
                    f"run, in the settings of probes and panels, and in a channel's url, headers "
                    f"and body. If its value may be shown, "
                    f'add "{name}" to environment.plain',
                )

    def _in_settings(self, path: KeyPath) -> bool:
        common = self.common_keys.get(str(path[0]))
        return common is not None and len(path) > 2 and path[2] not in common


def _is_shell(path: KeyPath) -> bool:
    if path[-1] != "run":
        return False
    if path[0] in _WITH_SETTINGS:
        return len(path) == 3
    return path[0] in _WITH_STEPS and len(path) == 5
