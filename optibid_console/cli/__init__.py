"""The command line: picks a source and starts the screens, or runs without them."""

from optibid_console.cli.main import main

__all__ = ["main"]
