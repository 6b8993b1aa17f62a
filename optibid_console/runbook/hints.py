"""A field's annotation: its values' name in words, and what stands in for one that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from optibid_console.runbook.durations import DURATION
from optibid_console.runbook.problems import shown
from probes.probe import Seconds


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """The annotations of a dataclass's fields."""
    return get_type_hints(kind)


def empty_of(hint: Any) -> Any:
    """What stands in for a required value that is missing or wrong."""
    if hint is Seconds:
        return Seconds(0)
    if hint in (str, int, float, bool):
        return hint()
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    origin = get_origin(hint)
    if origin in (tuple, list, frozenset):
        return origin()
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {}
    if is_dataclass(hint) and isinstance(hint, type):
        return hint(
            **{
                one.name: empty_of(hints_of(hint)[one.name])
                for one in fields(hint)
                if one.default is MISSING and one.default_factory is MISSING
            }
        )
    return None


def in_words(hint: Any) -> str:
    """What is expected there: `a whole number`, `a list of texts`."""
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    if hint is Seconds:
        return DURATION
    if hint in names:
        return names[hint]
    if get_origin(hint) is Literal:
        return " or ".join(shown(one) for one in get_args(hint))
    if get_origin(hint) in (tuple, list, frozenset):
        item = get_args(hint)[0]
        of = {str: " of texts", int: " of whole numbers", float: " of numbers"}.get(item, "")
        return f"a list{of}"
    return "a table"


def kind_of_value(value: Any) -> str:
    """What was found there: `the number`, `the list`."""
    if isinstance(value, bool):
        return "the value"
    if isinstance(value, int | float):
        return "the number"
    if isinstance(value, str):
        return "the text"
    return "the list" if isinstance(value, list) else "the table" if value == {} else "the value"
