"""Judging values against what was expected: pure, and the same for every kind of probe.

In config.toml an expectation is a plain value, or a table of conditions:
`status = "healthy"`, `queue = { at_most = 100 }`, `zone = { one_of = ["PJM", "CAISO"] }`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from probes.aside import stop_if_given_up
from probes.patterns import PatternError, compiled, size_problem
from probes.probe import Status
from probes.text import one_line

CONDITIONS = ("equals", "one_of", "at_least", "at_most", "matches", "exists")

USUAL_BYTES = 1_000_000
"""The text that a pattern is held against, where its probe sets no other bound."""

MISSING = object()
"""What a path leads to when there is nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was expected and what was found."""

    status: Status
    what: str
    expected: str
    found: str

    def words(self) -> str:
        return f"{self.what} {self.found}, expected {self.expected}"


@dataclass(frozen=True, slots=True)
class Summary:
    """What all findings of a reading come to."""

    status: Status
    text: str
    detail: Mapping[str, str]


def conditions(expected: object) -> Mapping[str, Any]:
    """An expectation as conditions: a plain value means `equals`."""
    if isinstance(expected, Mapping) and expected and set(expected) <= set(CONDITIONS):
        return expected
    return {"equals": expected}


def problems(expected: object, most_bytes: int = USUAL_BYTES, bound: str = "") -> Iterator[str]:
    """What is wrong with an expectation as it was written, in words.

    `most_bytes` is the longest text that it may be held against, `bound` the setting that says so.
    """
    for name, wanted in conditions(expected).items():
        if name == "one_of" and (isinstance(wanted, str) or not isinstance(wanted, Sequence)):
            yield f"one_of takes a list of values, not {shown(wanted)}"
        elif name in ("at_least", "at_most") and number(wanted) is None:
            yield f"{name} takes a number, not {shown(wanted)}"
        elif name == "exists" and not isinstance(wanted, bool):
            yield f"exists takes true or false, not {shown(wanted)}"
        elif name == "matches":
            yield from regex_problems(wanted, most_bytes=most_bytes, bound=bound)


def regex_problems(
    pattern: object,
    *,
    lines: bool = False,
    captures: bool = False,
    most_bytes: int = USUAL_BYTES,
    bound: str = "",
) -> Iterator[str]:
    """What is wrong with a regular expression as RE2 reads it, in words."""
    if not isinstance(pattern, str):
        yield f"a regular expression is a text, not {shown(pattern)}"
        return
    try:
        made = compiled(pattern, lines=lines, captures=captures)
    except PatternError as error:
        yield str(error)
    else:
        if too_large := size_problem(made, most_bytes, bound):
            yield too_large


def patterns_in(expected: object) -> Iterator[str]:
    """The regular expressions of an expectation."""
    for name, wanted in conditions(expected).items():
        if name == "matches":
            yield str(wanted)


def steps_of(patterns: Iterable[str]) -> int:
    """The most work that a byte of text costs all these patterns together."""
    return sum(compiled(one).steps for one in patterns)


def judge(what: str, expected: object, found: object) -> Finding:
    """Hold one value against an expectation: ok when every condition is met."""
    stop_if_given_up()
    wanted = conditions(expected)
    met = all(_meets(name, limit, found) for name, limit in wanted.items())
    words = " and ".join(_wish(name, limit) for name, limit in wanted.items())
    return Finding(Status.OK if met else Status.FAILING, what, words, shown(found))


def judge_paths(what: str, expected: Mapping[str, Any], found: object) -> list[Finding]:
    """Hold a JSON document against expectations by dotted path: `services.database`."""
    return [judge(f"{what}{path}", wish, at_path(found, path)) for path, wish in by_path(expected)]


def by_path(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A table's expectations with their dotted paths, nested tables opened."""
    for key, wish in table.items():
        path = f"{prefix}{key}"
        if isinstance(wish, Mapping) and wish and not set(wish) <= set(CONDITIONS):
            yield from by_path(wish, f"{path}.")
        else:
            yield path, wish


def at_path(document: object, path: str) -> object:
    """What a dotted path leads to (a number is a list's index), or `MISSING`."""
    for key in path.split("."):
        if isinstance(document, Mapping) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isdecimal() and int(key) < len(document):
            document = document[int(key)]
        else:
            return MISSING
    return document


def summarise(findings: Iterable[Finding], when_ok: str) -> Summary:
    """The worst status, and the first finding that has it with how many more there are."""
    every = tuple(findings)
    worst = max((one.status for one in every), key=_SEVERITY.index, default=Status.OK)
    detail = {one.what: _detail(one) for one in every}
    detail |= {one.what: _detail(one) for one in every if one.status is worst}
    if worst is Status.OK:
        return Summary(worst, one_line(when_ok), detail)
    bad = [one for one in every if one.status is worst]
    more = f" (+{len(bad) - 1} more)" if len(bad) > 1 else ""
    return Summary(worst, one_line(bad[0].words(), 160 - len(more)) + more, detail)


_SEVERITY = (Status.OK, Status.WARN, Status.FAILING, Status.ERROR)


def _detail(finding: Finding) -> str:
    if finding.status is Status.OK:
        return finding.found
    return f"{finding.found} ({finding.status}: expected {finding.expected})"


def number(value: object) -> float | None:
    """A value as a number; None when it isn't one. A boolean is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def shown(value: object) -> str:
    """A value as a person reads it: JSON, on one short line."""
    if value is MISSING:
        return "missing"
    if isinstance(value, str | int | float | bool | list | dict | tuple | None):
        return one_line(json.dumps(value, ensure_ascii=False, default=str)[:10_000], 60)
    return one_line(str(value), 60)


def _meets(name: str, limit: object, found: object) -> bool:
    if name == "exists":
        return (found is not MISSING) == limit
    if found is MISSING:
        return False
    if name == "equals":
        return _same(limit, found)
    if name == "one_of":
        return isinstance(limit, Sequence) and any(_same(one, found) for one in limit)
    if name == "matches":
        text = found if isinstance(found, str) else json.dumps(found, default=str)
        return compiled(str(limit)).search(text)
    bound, value = number(limit), number(found)
    if bound is None or value is None:
        return False
    return value >= bound if name == "at_least" else value <= bound


def _same(wanted: object, found: object) -> bool:
    """Equal, and not only by Python's rule that `True == 1`."""
    return isinstance(wanted, bool) == isinstance(found, bool) and wanted == found


def _wish(name: str, limit: object) -> str:
    if name == "equals":
        return shown(limit)
    if name == "exists":
        return "something" if limit else "nothing"
    if name == "one_of" and isinstance(limit, Sequence):
        return "one of " + ", ".join(shown(one) for one in limit)
    if name == "matches":
        return f"a match of /{one_line(str(limit), 60)}/"
    return f"{name.replace('_', ' ')} {shown(limit)}"
