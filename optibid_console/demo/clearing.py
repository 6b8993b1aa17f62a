"""Ends everything that belongs to a demo, and nothing else."""

from __future__ import annotations

import shutil
from functools import partial

from optibid_console.demo import postgres
from optibid_console.demo.place import Place
from optibid_console.demo.processes import end, marked


def clear_processes(place: Place) -> None:
    """End the processes that carry the demo's mark, and its database server. Idempotent."""
    end(partial(marked, place.root))
    postgres.stop(place)


def clear_files(place: Place) -> None:
    """Remove what a demo has in its directory; its lock and its marker stay."""
    for path in place.root.iterdir():
        if path in (place.lock, place.marker):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
