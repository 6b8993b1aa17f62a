"""Mappings and lists that only grow, immutable, and cheap to make from the one before.

A window's runs and notes grow all the time, and each entry makes a new state: copying
them would cost more with every entry. Here an addition shares all that it can with its
predecessor (a trie of 32-fold nodes: P. Bagwell, Ideal Hash Trees, 2001, without the hash:
places are given out in order; its last leaf stays outside until it is full), so that a million
of them cost a million times as much as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")

_BITS = 5
_LAST = (1 << _BITS) - 1
Node = tuple[Any, ...]


class Grown(Mapping[K, V]):
    """An immutable mapping in the order of insertion; nothing is ever removed."""

    __slots__ = ("_first", "_keys", "_places", "_root", "_shift", "_size", "_tail")

    def __init__(self) -> None:
        self._places: dict[K, int] = {}
        """Key → its place. Shared with all that were grown from this one, as are the keys:
        what was added later has a place from `_size` on, and isn't seen here."""
        self._keys: list[K] = []
        self._size = 0
        self._root: Node = ()
        self._shift = 0
        self._first = 0
        """The first place that isn't in the trie but in the tail."""
        self._tail: Node = ()
        """The last values, at most 32: most changes are here, and cost no way through the trie."""

    def put(self, key: K, value: V) -> Grown[K, V]:
        """The same mapping with this value."""
        grown: Grown[K, V] = Grown.__new__(Grown)
        grown._keys, grown._places, grown._size = self._keys, self._places, self._size
        grown._root, grown._shift = self._root, self._shift
        grown._first, grown._tail = self._first, self._tail
        place = self._places.get(key, self._size)
        if place >= self._size:
            if len(self._tail) > _LAST:
                grown._bury_tail()
            grown._add(key)
            grown._tail = (*grown._tail, value)
        elif place >= self._first:
            i = place - self._first
            grown._tail = (*self._tail[:i], value, *self._tail[i + 1 :])
        else:
            grown._root = _with(self._root, self._shift, place, 0, value)
        return grown

    def __getitem__(self, key: K) -> V:
        place = self._places[key]
        if place >= self._size:
            raise KeyError(key)
        first = self._first
        found = self._tail[place - first] if place >= first else _at(self._root, self._shift, place)
        value: V = found
        return value

    def __iter__(self) -> Iterator[K]:
        return islice(self._keys, self._size)

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"Grown({dict(self)!r})"

    def _add(self, key: K) -> None:
        if len(self._keys) > self._size:  # another one grew from the same: this one goes apart
            self._keys = self._keys[: self._size]
            self._places = {one: i for i, one in enumerate(self._keys)}
        self._places[key] = self._size
        self._keys.append(key)
        self._size += 1

    def _bury_tail(self) -> None:
        """Make the full tail a leaf of the trie."""
        if self._first == 0:
            self._root = self._tail
        else:
            if self._first >> self._shift > _LAST:
                self._root, self._shift = (self._root,), self._shift + _BITS
            self._root = _with(self._root, self._shift, self._first, _BITS, self._tail)
        self._first, self._tail = self._first + _LAST + 1, ()


class GrownList(Sequence[V]):
    """An immutable list that only grows at its end."""

    __slots__ = ("_all", "_size")

    def __init__(self) -> None:
        self._all: list[V] = []
        """Shared with all that were grown from this one; it sees the first `_size` alone."""
        self._size = 0

    def add(self, value: V) -> GrownList[V]:
        """The same list with one more at its end."""
        grown: GrownList[V] = GrownList()
        grown._all = self._all if len(self._all) == self._size else self._all[: self._size]
        grown._all.append(value)
        grown._size = self._size + 1
        return grown

    @overload
    def __getitem__(self, index: int) -> V: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[V]: ...

    def __getitem__(self, index: int | slice) -> V | Sequence[V]:
        if isinstance(index, slice):
            return tuple(self._all[i] for i in range(*index.indices(self._size)))
        return self._all[range(self._size)[index]]

    def __iter__(self) -> Iterator[V]:
        return islice(self._all, self._size)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # its items may not have one

    def __repr__(self) -> str:
        return f"GrownList({list(self)!r})"


def _with(node: Node, shift: int, place: int, level: int, value: object) -> Node:
    """The trie with `value` at `place`: a value (`level` 0), or a whole leaf (`_BITS`)."""
    i = (place >> shift) & _LAST
    if shift > level:
        value = _with(node[i] if i < len(node) else (), shift - _BITS, place, level, value)
    return (*node[:i], value, *node[i + 1 :])


def _at(node: Node, shift: int, place: int) -> Any:
    while shift:
        node = node[(place >> shift) & _LAST]
        shift -= _BITS
    return node[place & _LAST]
