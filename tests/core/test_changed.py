"""A changed dataclass is what `dataclasses.replace` makes, and the one before stays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from optibid_console.changed import changed


@dataclass(frozen=True, slots=True)
class Slotted:
    name: str
    count: int = 0
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plain:
    name: str
    count: int = 0


@pytest.mark.parametrize("one", [Slotted("a", 1, ("x",)), Plain("a", 1)])
def test_it_is_what_replace_gives(one: Slotted | Plain) -> None:
    before = replace(one)
    for values in ({}, {"count": 2}, {"name": "b", "count": 3}):
        made = changed(one, **values)
        assert made == replace(one, **values)
        assert type(made) is type(one)
        assert made is not one
    assert one == before


@pytest.mark.parametrize("one", [Slotted("a"), Plain("a")])
def test_a_field_that_there_is_not_is_an_error(one: Slotted | Plain) -> None:
    with pytest.raises(TypeError, match=r"(Slotted|Plain) has no field nmae"):
        changed(one, nmae="b")
