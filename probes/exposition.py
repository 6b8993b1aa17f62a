"""Prometheus' text exposition format 0.0.4, parsed strictly, and selectors over it.

Source: prometheus.io/docs/instrumenting/exposition_formats, "Text format details".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from probes.aside import stop_if_given_up
from probes.patterns import PatternError, compiled, size_problem
from probes.text import one_line

Labels = tuple[tuple[str, str], ...]
"""A series' labels, sorted by name."""

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_QUOTED = r'"((?:[^"\\\n]|\\.)*)"'
_LABEL = re.compile(rf"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*{_QUOTED}\s*(,|$)")
_SAMPLE = re.compile(  # possessive (`++`): what is no sample is found out without trying again
    rf"({_NAME}+)[ \t]*+"
    r'(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*+")*+)\}[ \t]*+)?'  # a brace in quotes doesn't close them
    r"([^\s#{}]++)"  # value
    r"(?:[ \t]++-?[0-9.]++)?[ \t]*+"  # timestamp
    r"(?:#[ \t]*+\{.*)?"  # an OpenMetrics exemplar
)
_NUMBER = re.compile(
    r"[+-]?(?:(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d++)?|inf(?:inity)?|nan)", re.IGNORECASE
)
MAX_LINE_BYTES = 1 << 16
"""A longer line ends the reading of a page: Prometheus' own limits for labels are far below."""


class ExpositionError(Exception):
    """Not the text format; the message says which line and what it holds."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: a series' value at the time of the scrape."""

    name: str
    labels: Labels
    value: float


def parse_line(line: str) -> Sample:
    """The sample of one line. Raises `ExpositionError`, without a line number."""
    match = _SAMPLE.fullmatch(line)
    if match is None or not _NUMBER.fullmatch(match[3]):
        raise ExpositionError(f"not a sample: {one_line(line, 80)}")
    return Sample(match[1], _labels(match[2] or ""), float(match[3]))


@lru_cache(maxsize=8192)
def _labels(text: str) -> Labels:
    found: dict[str, str] = {}
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _LABEL.match(text, at)
        if match is None or match[1] in found:
            raise ExpositionError(f"bad labels: {{{one_line(text, 80)}}}")
        found[match[1]] = _unescaped(match[2])
        at = match.end()
    return tuple(sorted(found.items()))


def _unescaped(text: str) -> str:
    """`\\\\`, `\\"` and `\\n` are the escapes of a label value; others stand for themselves."""
    if "\\" not in text:
        return text
    escapes = {"n": "\n", "\\": "\\", '"': '"'}
    return re.sub(r"\\(.)", lambda match: escapes.get(match[1], match[0]), text)


class PageParser:
    """Takes a page in pieces and keeps the samples of the names that are wanted.

    Lines of other names are skipped unread, except the first ones of a page, so that a
    page that isn't metrics at all is told. Raises `ExpositionError` with the line.
    """

    CHECKED_LINES = 20

    def __init__(self, names: Iterable[str]) -> None:
        self._wanted = tuple(sorted(name.encode() for name in set(names)))
        self._found: dict[str, dict[Labels, float]] = {name: {} for name in set(names)}
        self._rest = b""
        self._line = 0
        self.kept_bytes = 0
        """Of the lines whose samples are kept."""

    def feed(self, data: bytes) -> None:
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._rest += rest
        else:
            lines = (self._rest + head).split(b"\n")
            self._rest = rest
            for line in lines:
                self._take(line)
        if len(self._rest) > MAX_LINE_BYTES:
            raise ExpositionError(f"line {self._line + 1}: longer than 64 KiB")

    def close(self) -> Mapping[str, Mapping[Labels, float]]:
        """The values by name and labels; a wanted name that isn't there is empty."""
        if self._rest.strip():
            raise ExpositionError(
                f"line {self._line + 1}: the page ends in the middle of a line:"
                f" {one_line(self._rest, 80)}"
            )
        return MappingProxyType(self._found)

    def _take(self, line: bytes) -> None:
        self._line += 1
        if len(line) > MAX_LINE_BYTES:
            raise ExpositionError(f"line {self._line}: longer than 64 KiB")
        wanted = line.startswith(self._wanted)
        if not wanted and self._line > self.CHECKED_LINES:
            return
        text = line.strip(b" \t\r")
        if not text or text.startswith(b"#"):
            return
        try:
            sample = parse_line(text.decode())
        except (ExpositionError, UnicodeDecodeError) as error:
            words = error if isinstance(error, ExpositionError) else "not UTF-8"
            raise ExpositionError(f"line {self._line}: {words}") from error
        series = self._found.get(sample.name)
        if series is None:
            return
        if sample.labels in series:
            raise ExpositionError(f"line {self._line}: a second value for {one_line(line, 80)}")
        series[sample.labels] = sample.value
        self.kept_bytes += len(line)


# Selectors

_SELECTOR = re.compile(rf"\s*+({_NAME}+)\s*+(?:\{{(.*)\}})?\s*+", re.DOTALL)
_MATCHER = re.compile(rf"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*{_QUOTED}\s*(,|$)")


@dataclass(frozen=True, slots=True)
class Matcher:
    """`label="x"`, `!=`, `=~` or `!~`. Regular expressions (RE2's, as in Prometheus) match the
    whole value."""

    label: str
    operator: str
    value: str

    def accepts(self, value: str) -> bool:
        """Whether a label's value fits; a label that isn't there has the value ``""``."""
        if self.operator in ("=", "!="):
            return (value == self.value) == (self.operator == "=")
        stop_if_given_up()
        return compiled(self.value).fullmatch(value) == (self.operator == "=~")


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric's name and matchers, as PromQL writes them: `name{status=~"5.."}`."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """The regular expressions of its matchers."""
        return tuple(one.value for one in self.matchers if "~" in one.operator)

    def accepts(self, labels: Labels) -> bool:
        values = dict(labels)
        return all(one.accepts(values.get(one.label, "")) for one in self.matchers)

    def unknown_labels(self, family: Iterable[Labels]) -> tuple[str, ...]:
        """Labels that a matcher needs and that no series of the family has."""
        known = {name for labels in family for name, _ in labels}
        needed = (one.label for one in self.matchers if not one.accepts(""))
        return tuple(label for label in needed if label not in known)


def parse_selector(text: str) -> Selector:
    """The selector that `text` writes. Raises `ValueError` that says what is wrong."""
    whole = _SELECTOR.fullmatch(text)
    if whole is None:
        raise ValueError(f'"{text}" is not a metric name with optional {{label="value"}} matchers')
    inside, at = whole[2] or "", 0
    matchers = []
    end = len(inside.rstrip())
    while at < end:
        match = _MATCHER.match(inside, at)
        if match is None:
            raise ValueError(f'"{text}": no label matcher at "{inside[at:]}"')
        matcher = Matcher(match[1], match[2], _unescaped(match[3]))
        if "~" in matcher.operator:
            try:
                wrong = size_problem(compiled(matcher.value), MAX_LINE_BYTES)
            except PatternError as error:
                raise ValueError(f'"{text}": bad pattern "{matcher.value}": {error}') from error
            if wrong:
                raise ValueError(f'"{text}": {wrong}')
        matchers.append(matcher)
        at = match.end()
    return Selector(whole[1], tuple(matchers))
