"""Who sits here, and whether there is a terminal to show anything on."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import Namespace


def name_of(options: Namespace) -> str:
    """`--as`, else the user's name."""
    given: str = options.name
    if given.strip():
        return given.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in passwd, as in many containers
        return "operator"


def no_terminal() -> str:
    """Why no screen can be shown here, and what to use instead; empty: one can."""
    term = os.environ.get("TERM", "")
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        why = "this is no terminal"
    elif term in ("", "dumb"):
        why = f"the terminal can't place text (TERM={term})"
    else:
        return ""
    return (
        f"{why}, so there is no screen. Without one: `optibid-console engine` runs the window, "
        "`status` says where it is, `check` and `probe` look at a config, "
        "`demo --headless` plays the demo"
    )
