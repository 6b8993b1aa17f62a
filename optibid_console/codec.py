"""Frozen dataclasses to plain JSON values and back, by their annotations."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Decoder = Callable[[Any], Any]


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
    decode = _decoder(kind)
    try:
        result: T = decode(value)
    except _Misfit as misfit:
        raise ValueError(f"{kind.__name__}{misfit.where}{misfit}") from None
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


class _Misfit(ValueError):
    """A value of another type. Its place is put together while the error climbs, so that a
    value that fits costs none."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.where = ""

    def under(self, place: str) -> _Misfit:
        self.where = f"{place}{self.where}"
        return self


def _decoder(kind: Any) -> Decoder:
    """What makes a `kind` of a JSON value; put together once for each dataclass. (Not cached
    itself: `int | float` equals `float | int`, and the first that fits is another one.)"""
    if isinstance(kind, NewType):
        return _decoder(kind.__supertype__)
    if kind is Any:
        return lambda value: value
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind))
    if origin is Literal:
        return _literal(get_args(kind))
    if origin is tuple:
        parts = get_args(kind)
        return _tuple(parts[0]) if parts[-1] is Ellipsis else _fixed(parts)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(get_args(kind)[1])
    if is_dataclass(kind):
        return _dataclass(cast(Hashable, kind))
    if issubclass(kind, Enum):
        return _enum(kind)
    return _plain(kind)


def _plain(kind: type) -> Decoder:
    def decode(value: Any) -> Any:
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, kind):
            raise _Misfit(f": expected {kind.__name__}, found {value!r}")
        return value

    return decode


def _enum(kind: type[Enum]) -> Decoder:
    members = {one.value: one for one in kind}

    def decode(value: Any) -> Any:
        try:
            return members[value]
        except (KeyError, TypeError):
            raise _Misfit(f": {value!r} is not a valid {kind.__name__}") from None

    return decode


def _literal(options: tuple[Any, ...]) -> Decoder:
    def decode(value: Any) -> Any:
        if value not in options:
            raise _Misfit(f": expected one of {options}, found {value!r}")
        return value

    return decode


def _tuple(item: Any) -> Decoder:
    decode_one = _decoder(item)

    def decode(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _Misfit(f": expected a list, found {value!r}")
        try:
            return tuple([decode_one(one) for one in value])
        except _Misfit:
            return tuple(_at(decode_one, one, f"[{i}]") for i, one in enumerate(value))

    return decode


def _fixed(kinds: tuple[Any, ...]) -> Decoder:
    """A tuple of so many values, each of its own kind."""
    decoders = [_decoder(one) for one in kinds]

    def decode(value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) != len(decoders):
            raise _Misfit(f": expected a list of {len(decoders)}, found {value!r}")
        return tuple(
            _at(decode_one, one, f"[{i}]")
            for i, (decode_one, one) in enumerate(zip(decoders, value, strict=True))
        )

    return decode


def _mapping(item: Any) -> Decoder:
    decode_one = _decoder(item)

    def decode(value: Any) -> Any:
        _check_object(value)
        return {key: _at(decode_one, one, f".{key}") for key, one in value.items()}

    return decode


def _union(options: tuple[Any, ...]) -> Decoder:
    """The first kind that fits; when none does, what the last one says."""
    decoders = [_decoder(one) for one in options if one is not type(None)]
    optional = type(None) in options

    def decode(value: Any) -> Any:
        if value is None and optional:
            return None
        problem: ValueError = _Misfit(f": expected a value, found {value!r}")
        for decode_one in decoders:
            try:
                return decode_one(value)
            except ValueError as error:
                problem = error
        raise problem

    return decode


@cache
def _dataclass(kind: Any) -> Decoder:
    def decode(value: Any) -> Any:
        _check_object(value)
        given, name = {}, ""
        try:
            for name, hint, decode_one, needed in _fields(kind):
                if name in value:
                    one = value[name]
                    # most are plain, and as they should be
                    given[name] = one if type(one) is hint else decode_one(one)
                elif needed:
                    raise _Misfit(" is missing")
        except _Misfit as misfit:
            raise misfit.under(f".{name}") from None
        return kind(**given)

    return decode


def _check_object(value: Any) -> None:
    if type(value) is not dict and not isinstance(value, Mapping):
        raise _Misfit(f": expected an object, found {value!r}")


def _at(decode: Decoder, value: Any, place: str) -> Any:
    try:
        return decode(value)
    except _Misfit as misfit:
        raise misfit.under(place) from None


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, Decoder, bool], ...]:
    """Name, type, decoder and whether there has to be a value, of each field. Looked at when
    the first one is decoded: a dataclass may hold others of its own kind."""
    hints = get_type_hints(kind)
    return tuple(
        (
            one.name, hints[one.name], _decoder(hints[one.name]),
            one.default is MISSING and one.default_factory is MISSING,
        )
        for one in fields(kind)
    )  # fmt: skip
