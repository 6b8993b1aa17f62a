"""Which commands of a shell text evidently change something. Pure; it only knows the well known.

What it finds is found by the program and its first words, as a person who skims the text would.
What it doesn't know (a script, a program under another name) it takes for harmless: an empty
answer proves nothing, and what can't change anything in a rehearsal is the targets' to decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from optibid_console.runbook.shell_lexer import commands

_PROGRAMS = """
rm rmdir mv cp ln mkdir touch dd truncate install chmod chown chgrp rsync scp kill pkill killall
reboot shutdown poweroff patch createdb dropdb useradd userdel usermod passwd mkfs mount umount
unlink shred crontab
"""
_WRITES = frozenset(_PROGRAMS.split())
_PACKAGES = "install uninstall remove purge upgrade update"
_SUBCOMMANDS: Mapping[str, frozenset[str]] = {
    program: frozenset(words.split())
    for program, words in {
        "git": "add am apply checkout cherry-pick clean clone commit fetch gc init merge mv pull "
        "push rebase reset restore revert rm stash switch update-ref",
        "docker": "build commit cp create import kill load pause pull push restart rm rmi run "
        "start stop tag unpause update up down prune remove",
        "docker-compose": "build create down kill pause pull push restart rm run start stop "
        "unpause up",
        "kubectl": "annotate apply cordon create delete drain edit expose label patch replace "
        "restart run scale set taint uncordon undo",
        "systemctl": "daemon-reload disable enable isolate kill mask reload restart start stop "
        "try-restart unmask",
        "service": "reload restart start stop",
        "pm2": "delete kill reload restart save scale start stop",
        "npm": "ci i install publish uninstall update",
        "pip": _PACKAGES, "pip3": _PACKAGES, "apt-get": _PACKAGES, "apt": _PACKAGES,
        "redis-cli": "del expire flushall flushdb set shutdown",
        "helm": "install rollback uninstall upgrade",
        "s3": "cp mv rm sync",
    }.items()
}  # fmt: skip
_GROUPS: Mapping[str, frozenset[str]] = {
    "docker": frozenset({"compose", "container", "image", "network", "system", "volume"}),
    "kubectl": frozenset({"rollout"}),
}
"""Words after which the one that acts comes."""
_HARMLESS: Mapping[str, frozenset[str]] = {
    "git": frozenset({"-n", "--dry-run", "--check", "create", "list", "show"}),
    "kubectl": frozenset({"--dry-run=server", "--dry-run=client", "--local"}),
}
"""Words with which it only looks; `git stash create` is one."""
_OPTIONS = "-C -c -H --host -n --namespace -f --file -p --context --project-name -u -g -h -a -I"
_TAKES_A_VALUE = frozenset(_OPTIONS.split())
_PREFIXES = """
! { if then else elif while until do time exec nohup nice sudo env command xargs setsid stdbuf
timeout builtin
"""
_BEFORE_A_COMMAND = frozenset(_PREFIXES.split())
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=.*", re.DOTALL)
_SQL = re.compile(
    r"\b(insert\s+into|update\s+\S+\s+set|delete\s+from|(?:drop|create|alter)\s+(?:table|database|"
    r"index|schema|role|extension|view|function)|truncate\s+\S+)\b",
    re.IGNORECASE,
)
_SHOWN_CHARS = 40


def evident_writes(text: str) -> tuple[str, ...]:
    """What changes something in a shell text, in order: `git checkout`, `rm`, `> notes.txt`."""
    found: list[str] = []
    for command in commands(text):
        found += [f"> {one[:_SHOWN_CHARS]}" for one in command.into if _is_a_file(one)]
        acts = _acts(_plain(command.words))
        found += [acts] if acts else []
    return tuple(dict.fromkeys(found))


def _is_a_file(target: str) -> bool:
    return bool(target) and not target.startswith("/dev/") and not target.isdigit()


def _plain(words: Sequence[str]) -> list[str]:
    """The command without what stands before it: `sudo -u postgres`, `LANG=C`, `then`."""
    left = list(words)
    while left and (left[0] in _BEFORE_A_COMMAND or _ASSIGNMENT.fullmatch(left[0])):
        prefix = left.pop(0)
        if prefix == "command" and left[:1] in (["-v"], ["-V"]):
            return []  # it only asks whether there is one
        while left and prefix in _BEFORE_A_COMMAND and left[0].startswith("-"):
            option = left.pop(0)
            if option in _TAKES_A_VALUE and left:
                left.pop(0)
        if prefix == "timeout" and left:
            left.pop(0)
    return left


def _acts(words: list[str]) -> str:
    """The first words of a command that changes something; empty: none that is known to."""
    if not words:
        return ""
    program, rest = words[0].rpartition("/")[2], words[1:]
    if program in _WRITES:
        return program
    if program == "tee":
        files = [one for one in rest if not one.startswith("-") and _is_a_file(one)]
        return "tee" if files else ""
    if program in ("sed", "perl"):
        in_place = any(re.match(r"-[a-zA-Z]*i|--in-place", one) for one in rest)
        return f"{program} -i" if in_place else ""
    if program == "find":
        return "find -delete" if "-delete" in rest else ""
    if program == "psql":
        statement = next((found for one in rest if (found := _SQL.search(one))), None)
        return f"psql {' '.join(statement[0].split())[:_SHOWN_CHARS]}" if statement else ""
    if program == "pg_restore":
        return "" if {"-l", "--list", "-V", "--version"} & set(rest) else program
    if program == "aws":
        program, rest = "s3", rest[1:] if rest[:1] == ["s3"] else []
    return _by_subcommand(program, rest)


def _by_subcommand(program: str, rest: list[str]) -> str:
    known = _SUBCOMMANDS.get(program)
    if known is None or _HARMLESS.get(program, frozenset()) & set(rest):
        return ""
    words = iter(rest)
    for word in words:
        if word in _TAKES_A_VALUE:
            next(words, None)
        elif word in _GROUPS.get(program, frozenset()):
            program = f"{program} {word}"
        elif not word.startswith("-"):
            return f"{program} {word}" if word.lower() in known else ""
    return ""
