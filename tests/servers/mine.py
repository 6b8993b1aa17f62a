"""What tells the commands of this test process from those of others on the same machine."""

import os

MINE = f"{os.getpid():07d}"
"""Decimals of a number that appears in a command's arguments: none is the beginning of another."""
