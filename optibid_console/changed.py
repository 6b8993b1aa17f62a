"""A frozen dataclass with some other values, made several times faster than by `replace`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")
_Setter = Callable[[Any, Any], None]


def changed(one: T, **values: Any) -> T:
    """What `dataclasses.replace` gives, for classes that check and compute nothing when they
    are made: `__init__` isn't called. Raises `TypeError` for a field that there isn't.

    A fold makes a new state of each entry, and that is most of what it costs.
    """
    kind: Any = one.__class__
    made: T = object.__new__(kind)
    kept = getattr(one, "__dict__", None)
    if kept is not None:
        made.__dict__.update(kept, **values)
        if len(made.__dict__) > len(kept):
            raise TypeError(f"{kind.__name__} has no field {' or '.join(values.keys() - kept)}")
        return made
    get, setters, setter_of = _slots(kind)
    for set_one, value in zip(setters, get(one), strict=True):
        set_one(made, value)
    try:
        for name, value in values.items():
            setter_of[name](made, value)
    except KeyError as error:
        raise TypeError(f"{kind.__name__} has no field {error.args[0]}") from None
    return made


@cache
def _slots(kind: Any) -> tuple[Callable[[Any], Any], tuple[_Setter, ...], dict[str, _Setter]]:
    """What reads all fields at once, what sets each, past `frozen`, and by its name."""
    names = [one.name for one in fields(kind)]
    if len(names) < 2:
        raise TypeError(f"{kind.__name__} has fewer than two fields: make it anew")
    setter_of = {name: getattr(kind, name).__set__ for name in names}
    return attrgetter(*names), tuple(setter_of.values()), setter_of
