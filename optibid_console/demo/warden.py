"""Cleans up when a demo dies without a word: `python -m optibid_console.demo.warden ROOT`.

Its stdin is a pipe that only the demo's main process holds. `done` on it: all is clean.
An end without `done` means that the demo was killed: the warden ends what it left, unless
a new demo has taken the directory meanwhile, which clears it itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

from optibid_console.demo.clearing import clear_processes
from optibid_console.demo.lock import held
from optibid_console.demo.place import Place
from optibid_console.demo.processes import DemoError

LOCK_PATIENCE_S = 2.0
"""The dying process's pipe may close a moment before its lock does."""


def main() -> None:
    if sys.stdin.read().strip() == "done":
        return
    place = Place(Path(sys.argv[1]))
    try:
        with held(place, LOCK_PATIENCE_S):
            clear_processes(place)
    except DemoError:
        return


if __name__ == "__main__":
    main()
