from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.codec import canonical, from_plain, to_plain
from optibid_console.runbook.model import Runbook
from probes.probe import Reading, Status

_RUNBOOKS = (e.WindowOpened, e.RunbookAccepted)
FACTS = st.one_of([st.from_type(kind) for kind in e.FACTS.values() if kind not in _RUNBOOKS])


@given(FACTS, st.text())
def test_every_fact_survives_the_journal(fact: e.Fact, actor: str) -> None:
    try:
        entry = e.seal(1, 1.5, 2.5, actor, fact, e.GENESIS)
    except ValueError:
        return  # a number that JSON can't carry
    try:
        text = json.dumps(entry.to_plain()).encode()
    except UnicodeEncodeError:
        return
    assert e.entry_from_plain(json.loads(text)) == entry


def test_the_hash_covers_every_part_of_an_entry() -> None:
    entry = e.seal(7, 1.0, 2.0, "oncall-1", e.Held("coffee"), "ab")
    others = [
        e.seal(8, 1.0, 2.0, "oncall-1", e.Held("coffee"), "ab"),
        e.seal(7, 1.1, 2.0, "oncall-1", e.Held("coffee"), "ab"),
        e.seal(7, 1.0, 2.1, "oncall-1", e.Held("coffee"), "ab"),
        e.seal(7, 1.0, 2.0, "oncall-2", e.Held("coffee"), "ab"),
        e.seal(7, 1.0, 2.0, "oncall-1", e.Held("tea"), "ab"),
        e.seal(7, 1.0, 2.0, "oncall-1", e.EscalationEnded("coffee"), "ab"),
        e.seal(7, 1.0, 2.0, "oncall-1", e.Held("coffee"), "ac"),
    ]
    assert len({entry.hash, *(one.hash for one in others)}) == 8


def test_an_unknown_kind_of_fact_is_kept_as_it_is() -> None:
    newer = e.seal(1, 1.0, 1.0, "console", e.Unread("comet-seen", {"tail": 3}), e.GENESIS)
    assert e.entry_from_plain(newer.to_plain()) == newer


@pytest.mark.parametrize("value", [{}, {"seq": 1}, {"kind": "held", "body": {}}])
def test_what_is_no_entry_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not an entry|missing"):
        e.entry_from_plain(value)


@given(st.one_of([st.from_type(kind) for kind in c.COMMANDS.values()]))
def test_every_command_survives_the_wire(command: c.Command) -> None:
    assert c.command_from_plain(c.command_to_plain(command)) == command


@pytest.mark.parametrize(
    "value",
    [{}, {"kind": "format-disk"}, {"kind": "hold"}, {"kind": "hold", "body": {"reason": 3}},
     {"kind": "hold", "body": []}],
)  # fmt: skip
def test_what_is_no_command_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no command|missing|expected"):
        c.command_from_plain(value)


def test_the_runbook_survives_the_journal(story: object) -> None:
    runbook: Runbook = story.runbook  # type: ignore[attr-defined]  # the fixture of conftest
    plain = json.loads(canonical(to_plain(runbook)))
    assert from_plain(Runbook, plain) == runbook


def test_a_wrong_type_names_its_place() -> None:
    reading = to_plain(Reading("p", Status.OK, "fine", 1.0, 2.0))
    with pytest.raises(ValueError, match=r"Reading\.summary: expected str, found 3"):
        from_plain(Reading, {**reading, "summary": 3})


def test_a_later_version_may_add_a_key() -> None:
    reading = Reading("p", Status.OK, "fine", 1.0, 2.0)
    assert from_plain(Reading, {**to_plain(reading), "colour": "blue"}) == reading
    assert replace(reading, value=1.0) != reading


@dataclass(frozen=True)
class Mixed:
    status: int | tuple[int, ...] = 200
    body: str | Mapping[str, Any] = ""
    limit: float | None = None
    pick: Literal["", "max"] = ""


@pytest.mark.parametrize(
    "mixed", [Mixed(), Mixed((401, 403)), Mixed(body={"a": 1}), Mixed(limit=2.0, pick="max")]
)
def test_a_field_of_several_types_is_read_back_as_it_was(mixed: Mixed) -> None:
    assert from_plain(Mixed, to_plain(mixed)) == mixed


def test_none_of_several_types_names_its_place() -> None:
    with pytest.raises(ValueError, match=r"Mixed\.status: expected a list, found 'ok'"):
        from_plain(Mixed, {"status": "ok"})
    with pytest.raises(ValueError, match=r"Mixed\.pick: expected one of"):
        from_plain(Mixed, {"pick": "some"})


@dataclass(frozen=True, slots=True)
class WholeFirst:
    value: int | float


@dataclass(frozen=True, slots=True)
class RealFirst:
    value: float | int


@dataclass(frozen=True, slots=True)
class Nested:
    """Holds others of its own kind."""

    name: str
    inner: tuple[Nested, ...] = ()


def test_the_first_type_that_fits_is_each_fields_own() -> None:
    assert type(from_plain(WholeFirst, {"value": 3}).value) is int
    assert type(from_plain(RealFirst, {"value": 3}).value) is float
    assert type(from_plain(WholeFirst, {"value": 3}).value) is int


def test_a_dataclass_may_hold_its_own_kind_and_the_place_is_told_down_there() -> None:
    whole = Nested("a", (Nested("b", (Nested("c"),)), Nested("d")))
    assert from_plain(Nested, to_plain(whole)) == whole
    with pytest.raises(ValueError, match=r"^Nested\.inner\[1\]\.inner\[0\]\.name is missing$"):
        from_plain(Nested, {"name": "a", "inner": [{"name": "b"}, {"name": "c", "inner": [{}]}]})
    with pytest.raises(ValueError, match=r"^Nested\.inner\[0\]: expected an object, found 'x'$"):
        from_plain(Nested, {"name": "a", "inner": ["x"]})
