"""One demo in one directory, and never in a directory that isn't a demo's."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from optibid_console.demo.place import Place
from optibid_console.demo.processes import POLL_S, DemoError
from optibid_console.file_lock import FileLock, read_held


@contextmanager
def held(place: Place, patience_s: float) -> Iterator[None]:
    """Be the only demo in its directory, which is made if need be, while the context lasts.

    Raises `DemoError` when another demo is there for longer than `patience_s`, and when
    there are things that are no demo's.
    """
    if place.root.exists() and not place.marker.exists() and any(place.root.iterdir()):
        raise DemoError(
            f"{place.root} is not empty and no demo made it; give --dir an empty directory"
        )
    lock = FileLock(place.lock)
    give_up_at = time.monotonic() + patience_s
    while not lock.acquire():
        if time.monotonic() > give_up_at:
            raise DemoError(
                f"a demo runs in {place.root} already (process {read_held(place.lock)}); "
                "end it, or give this one another --dir"
            )
        time.sleep(POLL_S)  # another process lets it go: there is no event to wait for
    try:
        lock.write(str(os.getpid()))
        place.marker.touch()
        yield
    finally:
        lock.release()
