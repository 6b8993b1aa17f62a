"""Growing mappings and lists are what copies of plain ones would be, at every version."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optibid_console.persistent import Grown, GrownList

PUTS = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 50), st.integers()), max_size=60)
"""Which of the versions so far is grown, and by which key and value."""


@given(PUTS)
def test_every_version_of_a_mapping_stays_what_it_was(puts: list[tuple[int, int, int]]) -> None:
    versions: list[tuple[Grown[int, int], dict[int, int]]] = [(Grown(), {})]
    for which, key, value in puts:
        grown, plain = versions[which % len(versions)]
        versions.append((grown.put(key, value), {**plain, key: value}))
    for grown, plain in versions:
        assert list(grown.items()) == list(plain.items())
        assert grown == plain
        assert (51 in grown, grown.get(0), len(grown)) == (False, plain.get(0), len(plain))


@given(PUTS)
def test_every_version_of_a_list_stays_what_it_was(adds: list[tuple[int, int, int]]) -> None:
    versions: list[tuple[GrownList[int], tuple[int, ...]]] = [(GrownList(), ())]
    for which, _, value in adds:
        grown, plain = versions[which % len(versions)]
        versions.append((grown.add(value), (*plain, value)))
    for grown, plain in versions:
        assert grown == plain
        assert grown[-2:] == plain[-2:]
        assert not plain or grown[-1] == plain[-1]


def test_a_mapping_of_many_keeps_all_in_order() -> None:
    grown: Grown[int, int] = Grown()
    for number in range(5000):
        grown = grown.put(number, -number)
    older = grown
    for number in range(0, 5000, 7):
        grown = grown.put(number, 1)
    assert list(older.values()) == [-number for number in range(5000)]
    assert [grown[number] for number in (0, 1, 7, 4999)] == [1, -1, 1, -4999]
