"""What a target's kernel takes of a command and of the secrets in its environment.

Linux refuses to start a program with one argument or one `NAME=VALUE` of 128 KiB and more, its
terminating NUL included (execve(2): MAX_ARG_STRLEN), and with more than a quarter of the stack's
limit in all (2 MiB as a rule). A secret reaches every kind of target as an `export` in a text that
a shell reads on its standard input, which itself has no such limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems

MOST_COMMAND_BYTES = 120_000
"""Of a command's text; what is left of MAX_ARG_STRLEN is for facts that are filled in later."""
MOST_VARIABLE_BYTES = 131_071
"""Of `NAME=VALUE`, without the NUL that ends it."""
MOST_ENVIRONMENT_BYTES = 1_000_000
"""Of all secrets of one command: the rest is for the command and the target's own environment."""


@dataclass(frozen=True, slots=True)
class Command:
    """A shell command of the runbook, and the secrets that it names."""

    path: KeyPath
    text: str
    secrets: tuple[str, ...]


def check_commands(
    commands: Iterable[Command],
    values: Mapping[str, str],
    left_out: Callable[[KeyPath], bool],
    problems: Problems,
) -> None:
    """Add a problem for each command that no target could start. A secret's value is in none."""
    for command in commands:
        if left_out(command.path):
            continue
        if "\0" in command.text:
            problems.add(command.path, "has a NUL character, which no shell can read; remove it")
        size = _size(command.text)
        if size > MOST_COMMAND_BYTES:
            problems.add(
                command.path,
                f"has {size:,} bytes; a command has at most {MOST_COMMAND_BYTES:,}: put it into a "
                "script on the target and run that",
            )
        _check_environment(command, values, problems)


def check_secrets(
    used: Mapping[str, KeyPath], values: Mapping[str, str], problems: Problems
) -> None:
    """Add a problem for each secret with a NUL: no environment, header or password can hold it."""
    for name, path in used.items():
        if "\0" in values[name]:
            problems.add(
                path,
                f"the value of ${{{name}}} has a NUL character, which no environment can hold; "
                "give it without, as in base64",
                f"${{{name}}}",
            )


def _check_environment(command: Command, values: Mapping[str, str], problems: Problems) -> None:
    whole = 0
    for name in command.secrets:
        size = len(name) + 1 + _size(values[name])
        whole += size
        if size > MOST_VARIABLE_BYTES:
            problems.add(
                command.path,
                f"the value of ${{{name}}} has {size - len(name) - 1:,} bytes; with its name a "
                f"variable of the environment has at most {MOST_VARIABLE_BYTES:,}: put the value "
                "into a file on the target and name that",
                f"${{{name}}}",
            )
    if whole > MOST_ENVIRONMENT_BYTES:
        problems.add(
            command.path,
            f"its secrets have {whole:,} bytes together; a command's have at most "
            f"{MOST_ENVIRONMENT_BYTES:,}: put some into files on the target and name those",
        )


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
