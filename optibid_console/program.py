"""The program `optibid-console`, from its start to its exit status: it ends when interrupted."""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130
"""As a shell says it: 128 and the number of SIGINT."""


def program() -> int:
    """Returns the command's exit status.

    A script's shell starts what it puts into the background with SIGINT ignored, and Python keeps
    that. Some commands have a handler of their own, so all of them take the signal.
    """
    signal.signal(signal.SIGINT, _leave)
    try:
        from optibid_console.cli import main  # half a second on a busy machine

        signal.signal(signal.SIGINT, signal.default_int_handler)
        return main()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    """Ends the process where nothing is to be tidied up: while it loads, and after its command."""
    os._exit(INTERRUPTED)
