"""A window's state as a document: who joins a long window needn't fold all its entries.

It is lines of JSON, one a field or a part of one, compressed as a whole: made in a thread, no
piece of it holds the engine's loop up for long.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from itertools import islice
from typing import Any, get_args, get_origin, get_type_hints

from optibid_console.codec import from_plain, to_plain
from optibid_console.persistent import Grown, GrownList
from optibid_console.state import TellingState, WindowState

AT_ONCE = 200
FRESH = 200
"""Entries."""
PART_BYTES = 32 * 1024
MOST_BYTES = 512 * 1024 * 1024
"""A document that is longer, unpacked, isn't taken."""


def packed(state: WindowState) -> tuple[bytes, ...]:
    """The document in parts, as they are sent."""
    packer = zlib.compressobj(1)
    data = bytearray()
    for line in _lines(state):
        data += packer.compress(line + b"\n")
    data += packer.flush()
    return tuple(bytes(data[i : i + PART_BYTES]) for i in range(0, len(data), PART_BYTES))


def unpacked(parts: bytes) -> WindowState:
    """The state that `packed` was given. Raises `ValueError` for what isn't such a document."""
    try:
        unpacker = zlib.decompressobj()
        document = unpacker.decompress(parts, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"a snapshot that can't be unpacked: {error}") from error
    if not unpacker.eof:
        raise ValueError("a snapshot without its end, or too long")
    found: dict[str, Any] = {}
    try:
        for line in document.splitlines():
            name, value = json.loads(line)
            _take(found, name, value)
        telling = TellingState(**{k[8:]: v for k, v in found.items() if k.startswith("telling.")})
        own = {name: value for name, value in found.items() if "." not in name}
        return WindowState(**own, telling=telling)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a snapshot: {error}") from error


def _lines(state: WindowState) -> Iterator[bytes]:
    for place, value in (
        *((one.name, getattr(state, one.name)) for one in fields(state) if one.name != "telling"),
        *((f"telling.{one.name}", getattr(state.telling, one.name))
          for one in fields(TellingState)),
    ):  # fmt: skip
        kind = _kinds()[place]
        if isinstance(value, GrownList):
            for some in _chunks(value):
                yield _line(place, to_plain(some))
        elif isinstance(value, Grown) or _has_pairs(kind):
            for pairs in _chunks(value.items()):
                yield _line(place, [[to_plain(key), to_plain(one)] for key, one in pairs])
        elif place == "escalation" and value is not None:
            plain = {
                **{one.name: getattr(value, one.name) for one in fields(value)},
                "acknowledged": {str(key): one for key, one in value.acknowledged.items()},
                "due": sorted(value.due),
                "triggers": sorted(value.triggers),
            }
            yield _line(place, plain)
        else:
            yield _line(place, to_plain(value))


def _take(found: dict[str, Any], name: str, value: Any) -> None:
    """Add what a line says; a field that this version doesn't know is left out."""
    kind = _kinds().get(name)
    if kind is None:
        return
    origin = get_origin(kind)
    if origin is GrownList:
        grown = found.get(name, GrownList())
        for one in _all(get_args(kind)[0], value):
            grown = grown.add(one)
        found[name] = grown
    elif origin is Grown or _has_pairs(kind):
        key_kind, of = get_args(kind)
        known: Any = found.get(name, Grown() if origin is Grown else {})
        keys = _all(key_kind, [key for key, _ in value])
        for key, one in zip(keys, _all(of, [one for _, one in value]), strict=True):
            known = known.put(key, one) if isinstance(known, Grown) else {**known, key: one}
        found[name] = known
    elif name == "escalation" and value is not None:
        from optibid_console.state import Escalation

        found[name] = Escalation(
            float(value["started_at"]), str(value["reason"]),
            {int(key): str(one) for key, one in value["acknowledged"].items()},
            frozenset(int(one) for one in value["due"]),
            bool(value.get("by_trigger")),
            frozenset(str(one) for one in value.get("triggers", ())),
        )  # fmt: skip
    else:
        found[name] = from_plain(kind, value)


@cache
def _kinds() -> dict[str, Any]:
    """What each line may be about, and its type."""
    own = get_type_hints(WindowState)
    telling = get_type_hints(TellingState)
    return {
        **{one.name: own[one.name] for one in fields(WindowState) if one.name != "telling"},
        **{f"telling.{one.name}": telling[one.name] for one in fields(TellingState)},
    }


def _has_pairs(kind: Any) -> bool:
    """Whether it is a mapping whose keys aren't texts."""
    origin = get_origin(kind)
    is_mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return is_mapping and get_args(kind)[0] is not str


def _all(kind: Any, values: list[Any]) -> tuple[Any, ...]:
    """Values of one kind, whose decoder is put together once for all of them."""
    decoded: tuple[Any, ...] = from_plain(tuple[kind, ...], values)
    return decoded


def _chunks(values: Any) -> Iterator[list[Any]]:
    found = iter(values)
    while some := list(islice(found, AT_ONCE)):
        yield some


def _line(place: str, value: Any) -> bytes:
    return json.dumps([place, value], separators=(",", ":")).encode()


class Snapshots:
    """The last snapshot, for all who join within some entries after it."""

    def __init__(self, state: Callable[[], WindowState]) -> None:
        self._state = state
        self._making = asyncio.Lock()
        self._last: tuple[int, tuple[bytes, ...]] = (0, ())

    async def at(self, head: int) -> tuple[int, tuple[bytes, ...]]:
        """The number of the entry after which it was made, at most `FRESH` before `head`, and
        its parts."""
        async with self._making:
            if not self._last[1] or head - self._last[0] > FRESH:
                state = self._state()
                self._last = (state.seq, await asyncio.to_thread(packed, state))
            return self._last
