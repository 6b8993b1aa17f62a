"""The keys of the console's own commands, which `[keys]` can move and actions can't take."""

from __future__ import annotations

import re
from collections.abc import Mapping

from optibid_console.runbook.checks import may_meet
from optibid_console.runbook.model import Runbook
from optibid_console.runbook.problems import Problems

COMMAND_KEYS: Mapping[str, str] = {
    "open": "enter", "tick": "space", "note": "n", "skip": "s", "jump": "J", "abort": "x",
    "hold": "h", "poll": "g", "contacts": "c", "acknowledge": "a", "zoom": "z", "back": "escape",
    "lease": "l", "help": "question_mark", "leave": "q", "next-pane": "tab",
    "previous-pane": "shift+tab", "pane-timeline": "1", "pane-checklist": "2", "pane-logs": "3",
    "pane-run": "4", "pane-probes": "5", "pane-metrics": "6",
}  # fmt: skip
"""Command → its key, as Textual names keys. The screens have the same table."""

FIXED_KEYS: Mapping[str, str] = {
    "ctrl+p": "the command palette", "slash": "the log filter", "/": "the log filter",
    "e": "the next error", "E": "the previous error", "p": "pause", "f": "follow", "w": "wrap",
    "y": "copy", "j": "down", "k": "up", "up": "up", "down": "down", "left": "fold",
    "right": "unfold", "ctrl+c": "the terminal", "ctrl+s": "the terminal",
}  # fmt: skip
"""Keys that panes and the terminal have for themselves."""


_KEY = re.compile(r"[!-~]|(?:(?:ctrl|shift|alt)\+)*(?:[a-z0-9]|f\d{1,2}|[a-z]+(?:_[a-z]+)*)")
_NO_KEY = 'is no key; write a character, a function key ("f5") or "ctrl+k"'


def check_keys(runbook: Runbook, problems: Problems) -> None:
    """Note unknown commands in `[keys]`, and keys that would do two things."""
    commands = {**COMMAND_KEYS, **{one.id: one.key for one in runbook.actions if one.id}}
    places: dict[str, tuple[str | int, ...]] = {
        one.id: ("actions", index, "key") for index, one in enumerate(runbook.actions)
    }
    for command in runbook.keys:
        if command not in commands:
            problems.no_such(("keys", command), "command", command, commands)
        places[command] = ("keys", command)
    actions = {one.id: one for one in runbook.actions}
    owners = dict(FIXED_KEYS)
    bound = {**commands, **runbook.keys}
    newest_last = sorted(bound, key=lambda one: (one in runbook.keys, one in places))
    for command in newest_last:
        key = bound[command]
        if not key or command not in commands:
            continue
        if not _KEY.fullmatch(key):
            problems.add(places[command], _NO_KEY, key)
            continue
        owner = owners.get(key, "")
        one, other = actions.get(command), actions.get(owner)
        apart = one is not None and other is not None and not may_meet(one, other)
        if owner and command in places and not apart:
            message = f'the key "{key}" does {owner} already'
            problems.add(places[command], message, key)
        owners.setdefault(key, command)
