"""Frozen dataclasses to plain JSON values and back, by their annotations."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """A JSON value: dataclasses become objects, tuples lists, enums their values."""
    if value is None or isinstance(value, str | bool | int | float):
        return value.value if isinstance(value, Enum) else value
    names = _names(value.__class__)
    if names is not None:
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): to_plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(one) for one in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_plain(kind: type[T], value: Any) -> T:
    """The dataclass (or other annotated value) that `to_plain` made `value` from.

    Unknown keys are ignored, so that an older console reads a newer entry.
    Raises `ValueError` naming the field when a value is missing or of another type.
    """
    result: T = _decode(kind, value, kind.__name__)
    return result


def canonical(value: Any) -> bytes:
    """One encoding of one value: sorted keys, no spaces, UTF-8 (after RFC 8785)."""
    return _CANONICAL.encode(value).encode()


_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    """The fields of a dataclass; None for what isn't one."""
    return tuple(one.name for one in fields(kind)) if is_dataclass(kind) else None


@cache
def _fields(kind: type) -> tuple[tuple[str, Any, bool], ...]:
    """Name, type and whether there has to be a value, of each field."""
    hints = _hints(kind)
    return tuple(
        (one.name, hints[one.name], one.default is MISSING and one.default_factory is MISSING)
        for one in fields(kind)
    )


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, NewType):
        return _decode(kind.__supertype__, value, where)
    if kind is Any:
        return value
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(kind), value, where)
    if origin is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{where}: expected one of {get_args(kind)}, found {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where}: expected a list, found {value!r}")
        item = get_args(kind)[0]
        return tuple(_decode(item, one, f"{where}[{i}]") for i, one in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: expected an object, found {value!r}")
        item = get_args(kind)[1]
        return {key: _decode(item, one, f"{where}.{key}") for key, one in value.items()}
    if is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    if issubclass(kind, Enum):
        return kind(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind):
        raise ValueError(f"{where}: expected {kind.__name__}, found {value!r}")
    return value


def _decode_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    """The first kind that fits; when none does, what the last one says."""
    if value is None and type(None) in options:
        return None
    problem = ValueError(f"{where}: expected a value, found {value!r}")
    for option in options:
        if option is type(None):
            continue
        try:
            return _decode(option, value, where)
        except ValueError as error:
            problem = error
    raise problem


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: expected an object, found {value!r}")
    given = {}
    for name, hint, needed in _fields(kind):
        if name in value:
            one = value[name]
            # most are plain; no path is made up for what is as it should be
            given[name] = one if type(one) is hint else _decode(hint, one, f"{where}.{name}")
        elif needed:
            raise ValueError(f"{where}.{name} is missing")
    return kind(**given)
