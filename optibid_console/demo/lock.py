"""One demo in one directory: an flock(2) that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import time
from typing import IO

from optibid_console.demo.place import Place
from optibid_console.demo.processes import POLL_S, DemoError


def hold(place: Place, patience_s: float) -> IO[str]:
    """Hold the directory's lock for as long as the file that is returned stays open.

    Raises `DemoError` when another demo holds it for longer than `patience_s`, and when the
    directory has things in it that are no demo's.
    """
    if place.root.exists() and not place.lock.exists() and any(place.root.iterdir()):
        raise DemoError(
            f"{place.root} is not empty and no demo made it; give --dir an empty directory"
        )
    place.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = place.lock.open("a+")
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                file.close()
                raise DemoError(
                    f"a demo runs in {place.root} already (pid {holder}); "
                    "end it, or give this one another --dir"
                ) from None
            time.sleep(POLL_S)  # LOCK_EX alone would wait for ever
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
