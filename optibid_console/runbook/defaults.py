"""`[environment] defaults`: the values of names that have none elsewhere."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from optibid_console.runbook.model import Environment
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problem, Problems
from optibid_console.runbook.shell_text import REFERENCE

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def plain_names(environment: Environment) -> frozenset[str]:
    """Returns the names whose values may be shown."""
    return frozenset(environment.plain) | environment.defaults.keys()


def with_defaults(
    environment: Environment, given: Mapping[str, str], problems: Problems
) -> Mapping[str, str]:
    """Returns the given values, and the defaults of names that have none.

    A default can refer to names above it and to plain names that have a value. What can't be a
    name, or refers to anything else, is noted.
    """
    plain = frozenset(environment.plain)
    values = dict(given)
    above: set[str] = set()
    for name, text in environment.defaults.items():
        path: KeyPath = ("environment", "defaults", name)
        if not _NAME.fullmatch(name):
            problems.add(path, "no name of a value: write letters, digits and _", text)
        for reference in (match[1] for match in REFERENCE.finditer(text)):
            if reference not in above and not (reference in plain and reference in given):
                _note(path, reference, text, environment, problems)
        if name not in given:
            values[name] = REFERENCE.sub(lambda match: values.get(match[1], match[0]), text)
        above.add(name)
    return values


def _note(
    path: KeyPath, reference: str, text: str, environment: Environment, problems: Problems
) -> None:
    if reference in environment.defaults:
        why = f"${{{reference}}} stands below it: a default refers to names above it"
    elif reference in environment.plain:
        why = f"${{{reference}}} has no value"
    else:
        why = f"${{{reference}}} is neither in plain nor a default above it"
    problems.add(path, why, text)


def unused(
    environment: Environment, used: Collection[str], problems: Problems
) -> Iterator[Problem]:
    """Yields a warning for each default that nothing in the runbook refers to."""
    referred = {
        match[1] for text in environment.defaults.values() for match in REFERENCE.finditer(text)
    }
    for name, text in environment.defaults.items():
        if name not in used and name not in referred:
            yield problems.warning(("environment", "defaults", name), "nothing uses it", text)
