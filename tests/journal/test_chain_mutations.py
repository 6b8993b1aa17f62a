"""Any one change of a journal is found, and the first entry that isn't as recorded is named."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from optibid_console.entries import GENESIS, Entry, NoteWritten, ProbeChanged, Unread, seal
from optibid_console.journal import entry_row
from optibid_console.journal.chain import walk
from optibid_console.journal_head import Noted
from probes.probe import Reading, Status

COUNT = 12


def _rows() -> list[entry_row.Row]:
    entries: list[Entry] = []
    for number in range(1, COUNT + 1):
        fact: Any = NoteWritten("window", f"note {number}")
        if number % 3 == 0:
            fact = ProbeChanged(Reading("p", Status.OK, "3 ms", float(number), 3.0, 1.5, "ms"))
        if number % 5 == 0:
            fact = Unread("of-a-newer-kind", {"z": [1, 2.0, None, {"a": "ü"}], "a": True})
        prev = entries[-1].hash if entries else GENESIS
        entries.append(seal(number, 1e9 + number, float(number), "ann", fact, prev))
    return [entry_row.row_of(one) for one in entries]


ROWS = _rows()
NUMBERS = st.integers(0, COUNT - 1)
VALUES = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=20),
    st.binary(max_size=20), st.just("0" * 64), st.sampled_from([row[7] for row in ROWS]),
    st.sampled_from([row[5] for row in ROWS]),
)  # fmt: skip


def named(rows: list[entry_row.Row]) -> int:
    """The entry that is named as the first bad one; 0: none."""
    found = walk(rows, Noted(COUNT, ROWS[-1][7]))
    number = re.match(r"(?:entry|entries|an entry numbered) (-?\d+)", found.problem)
    assert (number is None) == (found.problem == ""), found.problem
    return int(number[1]) if number else 0


@given(NUMBERS, st.integers(1, 7), VALUES)
@example(3, 5, '{"subject":"window","subject":"window","text":"note 4"}')
@example(3, 5, '{"subject":"window", "text":"note 4"}')
@example(3, 5, "[" * 100_000)
@example(3, 5, b'{"subject":"window","text":"note 4"}')
@example(3, 3, b"ann")
@example(2, 5, json.dumps(json.loads(ROWS[2][5])))
@example(3, 1, 1_000_000_004)
def test_a_changed_column(place: int, column: int, value: object) -> None:
    row = list(ROWS[place])
    if type(row[column]) is type(value) and row[column] == value:
        return
    row[column] = value
    assert named([*ROWS[:place], tuple(row), *ROWS[place + 1 :]]) == place + 1


@given(NUMBERS, st.data())
def test_a_changed_character_of_a_body(place: int, data: st.DataObject) -> None:
    body = ROWS[place][5]
    at = data.draw(st.integers(0, len(body) - 1))
    how = data.draw(st.sampled_from(["drop", "double", "space", "other"]))
    new = {"drop": "", "double": body[at] * 2, "space": " " + body[at], "other": "7"}[how]
    text = body[:at] + new + body[at + 1 :]
    if text != body:
        row = (*ROWS[place][:5], text, *ROWS[place][6:])
        assert named([*ROWS[:place], row, *ROWS[place + 1 :]]) == place + 1


@given(NUMBERS, NUMBERS)
def test_removed_entries(first: int, last: int) -> None:
    if first <= last:
        assert named([*ROWS[:first], *ROWS[last + 1 :]]) == first + 1


@given(NUMBERS, NUMBERS)
def test_removed_entries_whose_successors_were_numbered_anew(first: int, last: int) -> None:
    left = [*ROWS[:first], *ROWS[last + 1 :]]
    if first <= last:
        assert named([(i, *row[1:]) for i, row in enumerate(left, 1)]) == first + 1


@given(NUMBERS, NUMBERS)
def test_exchanged_entries(one: int, other: int) -> None:
    rows = list(ROWS)
    rows[one], rows[other] = rows[other], rows[one]
    if one != other:
        assert named([(i, *row[1:]) for i, row in enumerate(rows, 1)]) == min(one, other) + 1


@given(NUMBERS, NUMBERS, st.booleans())
def test_an_inserted_entry(place: int, other: int, sealed: bool) -> None:
    """A copy of another one, or one that was sealed to follow the one before it."""
    prev = ROWS[place - 1][7] if place else GENESIS
    note = NoteWritten("window", "x")
    forged = entry_row.row_of(seal(place + 1, 1.0, 1.0, "mallory", note, prev))
    row = forged if sealed else ROWS[other]
    rows = [*ROWS[:place], row, *ROWS[place:]]
    # one that is whole and follows is as good as any: the next one doesn't follow it;
    # in the last one's place its hash isn't the noted one
    fits = place != COUNT - 1 if sealed else other == place
    assert named([(i, *row[1:]) for i, row in enumerate(rows, 1)]) == place + 1 + fits


@given(st.integers(-5, 0))
def test_an_entry_before_the_first(seq: int) -> None:
    assert named([(seq, *ROWS[0][1:]), *ROWS]) == seq


def test_an_untouched_one_is_whole() -> None:
    assert named(ROWS) == 0
