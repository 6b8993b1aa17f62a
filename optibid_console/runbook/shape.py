"""Parsed TOML tables → frozen dataclasses, strictly, with every problem noted.

What can't be used is noted in `Problems` and replaced by the field's default or an
empty value, so that the rest of the file can still be checked.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any, Literal, NewType, TypeVar, Union, get_args, get_origin

from optibid_console.runbook.durations import DURATION, OFFSET, parse_duration, parse_offset
from optibid_console.runbook.hints import empty_of, hints_of, in_words, kind_of_value
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems, listing, nearest_of, shown
from optibid_console.runbook.sizes import SIZE, ByteSize, parse_size
from probes.probe import Seconds
from probes.text import counted

T = TypeVar("T")


class Filled(str):
    """A text that was a single `${NAME}` in the file: it may also stand for a number."""

    __slots__ = ()


class Unfilled(str):
    """A text with a `${NAME}` that has no value: it stands for anything, and that is noted."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """Where config.toml and the dataclasses differ."""

    renamed: Mapping[tuple[type, str], str] = field(default_factory=dict)
    """(dataclass, field) → the key in config.toml."""
    offsets: frozenset[tuple[type, str]] = frozenset()
    """Fields of `Seconds` that are written as offsets from T-0."""
    keyed: Mapping[Any, str] = field(default_factory=dict)
    """Dataclass → the field that the table's own key gives: `[targets.ID]`."""


def shape(
    kind: type[T],
    table: Any,
    path: KeyPath,
    problems: Problems,
    layout: Layout | None = None,
    given: Mapping[str, Any] | None = None,
    suggest: tuple[str, ...] = (),
) -> T:
    """An instance of the dataclass `kind` from a TOML table at `path`.

    `given` are fields that don't come from the table; `suggest` are keys that may stand
    in the same TOML table and that somebody else reads.
    """
    made: T = _Shaper(problems, layout or Layout()).table(kind, table, path, given or {}, suggest)
    return made


def keys_of(kind: type[Any], layout: Layout, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The keys that a dataclass has in config.toml."""
    return tuple(
        layout.renamed.get((kind, one.name), one.name)
        for one in fields(kind)
        if one.name not in without
    )


class _Shaper:
    def __init__(self, problems: Problems, layout: Layout) -> None:
        self.problems = problems
        self.layout = layout

    def table(
        self,
        kind: Any,
        table: Any,
        path: KeyPath,
        given: Mapping[str, Any],
        suggest: tuple[str, ...] = (),
    ) -> Any:
        missing_matters = isinstance(table, Mapping)
        if not missing_matters:
            self._wrong(path, table, "a table")
            table = {}
        keys = dict(zip(keys_of(kind, self.layout, tuple(given)), _open(kind, given), strict=True))
        for key in table:
            if key not in keys:
                self.problems.unknown_key((*path, key), table[key], (*keys, *suggest))
        values = dict(given)
        for key, one in keys.items():
            where = (*path, key)
            if key in table:
                values[one.name] = self._field(kind, one, table[key], where)
            elif one.default is MISSING and one.default_factory is MISSING:
                if missing_matters:
                    self.problems.add(where, f"{key} is missing")
                values[one.name] = empty_of(hints_of(kind)[one.name])
        return kind(**values)

    def _field(self, kind: Any, one: Field[Any], value: Any, path: KeyPath) -> Any:
        hint = hints_of(kind)[one.name]
        if (kind, one.name) in self.layout.offsets and not isinstance(value, Unfilled):
            made = self._text_of(value, path, OFFSET, parse_offset)
        else:
            made = self.value(hint, value, path)
        if made is not None:
            return made
        if one.default is not MISSING:
            return one.default
        return one.default_factory() if one.default_factory is not MISSING else empty_of(hint)

    def value(self, hint: Any, value: Any, path: KeyPath) -> Any:
        """The value as `hint` wants it; `None`, with a problem noted, when it can't be."""
        if isinstance(value, Unfilled):
            return str(value) if hint is str else None
        if hint is Seconds:
            return self._text_of(value, path, DURATION, parse_duration)
        if hint is ByteSize:
            return self._text_of(value, path, SIZE, parse_size)
        if isinstance(hint, NewType):
            return self.value(hint.__supertype__, value, path)
        if hint is Any:
            return self._anything(value, path)
        origin = get_origin(hint)
        if origin in (Union, types.UnionType):
            return self._union(hint, value, path)
        if origin is Literal:
            return self._choice(value, path, {str(one): one for one in get_args(hint)})
        if origin in (tuple, list, frozenset):
            return self._list(hint, origin, value, path)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return self._mapping(get_args(hint)[1], value, path)
        if is_dataclass(hint):
            return self.table(hint, value, path, {})
        if isinstance(hint, type) and issubclass(hint, Enum):
            return self._choice(value, path, {str(one.value): one for one in hint})
        return self._scalar(hint, value, path)

    def _union(self, hint: Any, value: Any, path: KeyPath) -> Any:
        options = [one for one in get_args(hint) if one is not type(None)]
        if len(options) == 1:
            return self.value(options[0], value, path)
        for option in options:
            trial = _Shaper(Problems(self.problems.file), self.layout)
            made = trial.value(option, value, path)
            if not trial.problems.found:
                return made
        return self._wrong(path, value, " or ".join(in_words(one) for one in options))

    def _list(self, hint: Any, origin: Any, value: Any, path: KeyPath) -> Any:
        arguments = get_args(hint)
        if not isinstance(value, list):
            return self._wrong(path, value, in_words(hint))
        if origin is tuple and len(arguments) > 1 and arguments[1] is not ...:
            if len(value) != len(arguments):
                return self._wrong(path, value, f"a list of {counted(len(arguments), 'value')}")
            item_hints = list(arguments)
        else:
            item_hints = [arguments[0]] * len(value)
        made = [
            self.value(item, one, (*path, index))
            for index, (item, one) in enumerate(zip(item_hints, value, strict=True))
        ]
        return origin(one for one in made if one is not None)

    def _mapping(self, hint: Any, value: Any, path: KeyPath) -> Any:
        if not isinstance(value, Mapping):
            return self._wrong(path, value, "a table")
        made: dict[str, Any] = {}
        for key, one in value.items():
            keyed = self.layout.keyed.get(hint) if is_dataclass(hint) else None
            if keyed is None:
                made[key] = self.value(hint, one, (*path, key))
            else:
                made[key] = self.table(hint, one, (*path, key), {keyed: key})
        return {key: one for key, one in made.items() if one is not None}

    def _choice(self, value: Any, path: KeyPath, choices: Mapping[str, Any]) -> Any:
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value) in choices:
            return choices[str(value)]
        names = tuple(choices)
        nearest = nearest_of(value, names) if isinstance(value, str) else ""
        message = f"{shown(value)} is none of {listing(names)}"
        self.problems.add(path, message, value, names, nearest)
        return None

    def _text_of(
        self, value: Any, path: KeyPath, wanted: str, parse: Callable[[str], T]
    ) -> T | None:
        if not isinstance(value, str):
            self._wrong(path, value, wanted)
            return None
        try:
            return parse(value)
        except ValueError as error:
            self.problems.add(path, f"{error}: {shown(value)}; write {wanted}", value, (wanted,))
            return None

    def _scalar(self, hint: Any, value: Any, path: KeyPath) -> Any:
        if isinstance(value, Filled):
            value = _number_in(hint, value)
        if hint is bool and isinstance(value, bool):
            return value
        if hint is str and isinstance(value, str):
            return str(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if hint is int and isinstance(value, int):
                return value
            if hint is float and math.isfinite(value):
                return float(value)
        return self._wrong(path, value, in_words(hint))

    def _anything(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, Mapping):
            return {key: self._anything(one, (*path, key)) for key, one in value.items()}
        if isinstance(value, list):
            return [self._anything(one, (*path, index)) for index, one in enumerate(value)]
        if isinstance(value, str):
            return str(value)
        if isinstance(value, float) and not math.isfinite(value):
            return self._wrong(path, value, "a finite number")
        if isinstance(value, bool | int | float):
            return value
        return self._wrong(path, value, "text, a number, true or false, a list or a table")

    def _wrong(self, path: KeyPath, value: Any, wanted: str) -> None:
        message = f"expected {wanted}, found {kind_of_value(value)} {shown(value)}"
        self.problems.add(path, message, value, (wanted,))


def _open(kind: Any, given: Mapping[str, Any]) -> list[Field[Any]]:
    return [one for one in fields(kind) if one.name not in given]


def _number_in(hint: Any, text: str) -> Any:
    try:
        if hint is bool:
            return {"true": True, "false": False}.get(text, text)
        return hint(text) if hint in (int, float) else text
    except ValueError:
        return text
