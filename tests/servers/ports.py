"""Ports of 127.0.0.1 that nobody listens on, also while other test processes look for some.

A port that the kernel chose and that was closed again may be given to the next one who asks,
be it for the near end of a connection. So each process takes a block of ports below those that
the kernel gives away, and holds it for its life by the name of an abstract Unix socket.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from functools import cache

_BLOCK = 200
_BLOCKS = range(12_000, 32_000, _BLOCK)


def free_port() -> int:
    """A port that refuses until the caller has somebody listen there."""
    ports, _ = _own_block()
    for port in itertools.islice(ports, _BLOCK):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"all {_BLOCK} ports of this process are taken")


@cache
def _own_block() -> tuple[Iterator[int], socket.socket]:
    for first in _BLOCKS:
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(f"\0optibid-console-test-ports-{first}")
        except OSError:
            held.close()
            continue
        return itertools.cycle(range(first, first + _BLOCK)), held
    raise RuntimeError("all blocks of ports for tests are taken")
