"""`config.toml` → a `Runbook`, or every problem that it has."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from optibid_console.codec import canonical, to_plain
from optibid_console.runbook import (
    backup_text,  # noqa: F401 - it fills operations.TEXTS, as do the next two
    migrate_text,  # noqa: F401
    restore_text,  # noqa: F401
)
from optibid_console.runbook.alternatives import chosen, is_left_out
from optibid_console.runbook.checks import check, steps_at
from optibid_console.runbook.command_limits import check_commands, check_secrets
from optibid_console.runbook.defaults import plain_names, unused, with_defaults
from optibid_console.runbook.env_file import EnvFileError, parse_env_file, read_env_file
from optibid_console.runbook.expansion import Expansion
from optibid_console.runbook.facts import check_facts
from optibid_console.runbook.keys import check_keys
from optibid_console.runbook.layout import (
    COMMON_KEYS,
    DATABASE_KEYS,
    Drafter,
    Registry,
    environment_of,
)
from optibid_console.runbook.migration_warnings import migration_warnings
from optibid_console.runbook.model import (
    Environment,
    PanelSpec,
    ProbeSpec,
    Runbook,
    filled_in,
)
from optibid_console.runbook.nesting import MOST_LEVELS, long_key, nested_line
from optibid_console.runbook.operations import with_texts
from optibid_console.runbook.optional_parts import absences, present_parts, unmeasured
from optibid_console.runbook.positions import KeyPath, line_of, positions
from optibid_console.runbook.problems import Problem, Problems, RunbookError, key_text, shown
from optibid_console.runbook.redaction import SHORTEST
from optibid_console.runbook.secrets import Secrets
from optibid_console.runbook.writes import evident_writes
from probes.given_file import UnreadableFile, home_path, read_file

__all__ = ["Loaded", "Problem", "RunbookError", "load"]

MAX_BYTES = 2_000_000
_MOST_PLACES = 8


@dataclass(frozen=True, slots=True)
class Loaded:
    """A runbook that holds together, and what was needed to read it."""

    runbook: Runbook
    secrets: Secrets
    digest: str
    """SHA-256 of the runbook's canonical JSON, in hex: secrets are in it by name only."""
    path: Path
    warnings: tuple[Problem, ...] = ()
    """What a person should know although the runbook can be used."""
    channels_off: Mapping[str, str] = field(default_factory=dict)
    """Optional channel → why nobody is told there."""


def load(path: Path, environ: Mapping[str, str], registry: Registry | None = None) -> Loaded:
    """The runbook at `path`, its `${NAME}` filled in from `environ` and its env file.

    `registry` says which kinds of probes there are; `None`: `probes.registry`.
    Raises `RunbookError` with every problem at once.
    """
    text = _read(path)
    document = _parse(path, text)
    problems = Problems(path.name, positions(text))
    environment = environment_of(document, problems)
    given, complete = _values(environment, path, environ, problems)
    values = with_defaults(environment, given, problems)
    parts = present_parts(document, values, problems)
    values = parts.without_empty(values)
    keys = {**COMMON_KEYS, "databases": DATABASE_KEYS}
    expansion = Expansion(values, plain_names(environment), keys, problems)
    expanded = expansion.document(with_texts(parts.document))
    secrets = Secrets({name: values[name] for name in sorted(expansion.secrets)})
    known_kinds = registry or _probes_registry()
    whole = Drafter(problems, known_kinds, secrets).runbook(expanded, environment)
    left_out = partial(is_left_out, document, whole=whole)
    off = _channels_off(whole, expansion)
    if complete:
        _note_missing(
            expansion, environment, lambda path: path[:2] in off or left_out(path), problems
        )
    check_secrets(expansion.first_use, values, problems)
    check_commands(expansion.commands, values, left_out, problems)
    check(whole, problems, known_kinds)
    check_keys(whole, problems)
    runbook = chosen(whole, problems)
    check_facts(runbook, whole, expansion.facts, left_out, problems)
    if problems.found:
        raise RunbookError(problems.sorted())
    digest = hashlib.sha256(canonical(to_plain(runbook))).hexdigest()
    warnings = (
        *_warnings(secrets, path), *_off_warnings(off, problems),
        *_write_warnings(whole, problems), *_contact_warnings(runbook, problems),
        *migration_warnings(runbook, problems), *absences(parts, problems),
        *unmeasured(whole, problems), *unused(environment, expansion.used | parts.needed, problems),
    )  # fmt: skip
    channels_off = {str(where[1]): why for where, why in off.items()}
    return Loaded(runbook, secrets, digest, path, warnings, channels_off)


def _read(path: Path) -> str:
    def refused(message: str, line: int = 0) -> RunbookError:
        return RunbookError([Problem(str(path), line, "", "", message)])

    try:
        data = read_file(path, MAX_BYTES)
    except UnreadableFile as error:
        advice = ""
        if path.is_dir():
            advice = "; name the config.toml in it"
        elif isinstance(error.__cause__, FileNotFoundError):
            advice = "; name one with -c FILE"
        raise refused(f"{error}{advice}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise refused(f"is not UTF-8: byte 0x{byte:02x} at offset {error.start}", line) from error
    if not text.strip():
        raise refused("is empty; a runbook needs at least [window]")
    return text


def _parse(path: Path, text: str) -> dict[str, Any]:
    """The document. Raises `RunbookError`, also where it is nested deeper than any runbook."""
    deep = long_key(text)
    if deep is None:
        document = _parsed(path, text)
        deep = nested_line(document, text)
        if deep is None:
            return document
    message = f"nested too deeply: a runbook has at most {MOST_LEVELS} levels of tables and arrays"
    raise RunbookError([Problem(path.name, deep, "", "", message)])


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", said)
        line = text.count("\n") + 1
        message = said
        if place:
            message = said[: place.start()]
            if place[1]:
                line = int(place[1])
                message += f" (column {place[2]})"
            else:
                message += " (at the end of the file)"
        problem = Problem(path.name, line, "", "", f"not TOML: {message[:1].lower()}{message[1:]}")
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else "a number too long"
        problem = Problem(path.name, 0, "", "", f"not usable TOML: {reason}")
    raise RunbookError([problem])


def _values(
    environment: Environment, path: Path, environ: Mapping[str, str], problems: Problems
) -> tuple[Mapping[str, str], bool]:
    """Every name's value, and whether all sources of values could be read."""
    if not environment.env_file:
        return environ, not problems.found
    key = ("environment", "env_file")
    file = Path(environment.env_file)
    before = len(problems.found)

    def wrong(error: EnvFileError) -> None:
        place = f"{file}:{error.line}" if error.line else str(file)
        problems.add(key, f"{place}: {error}", environment.env_file)

    values: dict[str, str] = {}
    try:
        file = path.parent / home_path(environment.env_file)
        values = parse_env_file(read_env_file(file), wrong)
    except UnreadableFile as error:
        wrong(EnvFileError(f"{error}; env_file names a file of NAME=value lines"))
    except EnvFileError as error:
        wrong(error)
    return {**values, **environ}, len(problems.found) == before


def _note_missing(
    expansion: Expansion,
    environment: Environment,
    left_out: Callable[[KeyPath], bool],
    problems: Problems,
) -> None:
    source = f" or in {environment.env_file}" if environment.env_file else ""
    for name, all_paths in expansion.missing.items():
        paths = [path for path in all_paths if not left_out(path)]
        if not paths:
            continue
        places = [problems.place(path) for path in paths]
        used = ", ".join(places[:_MOST_PLACES])
        if len(places) > _MOST_PLACES:
            used += f" and {len(places) - _MOST_PLACES} more"
        message = f"${{{name}}} has no value; used at {used}; set it in the environment{source}"
        problems.add(paths[0], message, f"${{{name}}}")


def _channels_off(whole: Runbook, expansion: Expansion) -> dict[KeyPath, str]:
    """The optional channels that lack a value: key path → which."""
    lacking: dict[KeyPath, list[str]] = {}
    for name, paths in expansion.missing.items():
        for where in dict.fromkeys(path[:2] for path in paths if path[0] == "tell"):
            channel = whole.tell.get(str(where[1]))
            if channel is not None and channel.optional:
                lacking.setdefault(where, []).append(f"${{{name}}}")
    return {where: f"no value for {', '.join(names)}" for where, names in lacking.items()}


def _off_warnings(off: Mapping[KeyPath, str], problems: Problems) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            problems.file, line_of(problems.positions, path), f"tell.{path[1]}", "",
            f"{why}: nobody is told through this channel",
        )
        for path, why in off.items()
    )  # fmt: skip


def _warnings(secrets: Secrets, path: Path) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            path.name, 0, "environment", "",
            f"the secret ${{{name}}} is shorter than {SHORTEST} characters: it can't be redacted "
            "in output",
        )
        for name in secrets.too_short
    )  # fmt: skip


def _contact_warnings(runbook: Runbook, problems: Problems) -> Iterator[Problem]:
    """Contacts whose values are placeholders: an escalation names them and nobody can call."""
    for contact in runbook.contacts.values():
        for key in ("name", "phone", "email"):
            value = getattr(contact, key)
            if value and not filled_in(value):
                path: KeyPath = ("contacts", contact.id, key)
                line = line_of(problems.positions, path)
                said = (
                    f"{value} is a placeholder: it is shown to nobody, and nobody is reached by it"
                )
                yield Problem(problems.file, line, key_text(path), shown(value), said)


def _write_warnings(whole: Runbook, problems: Problems) -> Iterator[Problem]:
    """What a rehearsal would do and an observer sets off, and evidently changes something."""

    def warning(path: KeyPath, found: tuple[str, ...], so: str) -> Problem:
        said = ", ".join(f'"{one}"' for one in found)
        line = line_of(problems.positions, path)
        return Problem(problems.file, line, key_text(path), "", f"{said} {so}")

    for path, step in steps_at(whole):
        if step.read_only and (found := evident_writes(step.run)):
            so = "evidently changes something: a rehearsal would do it, for it launches this step"
            yield warning((*path, "read_only"), found, so)
    observed: list[tuple[str, ProbeSpec | PanelSpec]] = [
        *(("probes", one) for one in whole.probes.values()),
        *(("panels", one) for one in whole.panels.values()),
    ]
    for section, one in observed:
        run = one.settings.get("run")  # only a command has one
        if isinstance(run, str) and (found := evident_writes(run)):
            so = "evidently changes something: it would be done all the time, in a rehearsal too"
            yield warning((section, one.id, "run"), found, so)


def _probes_registry() -> Registry:
    from probes import registry  # only a load pays for it

    return registry
