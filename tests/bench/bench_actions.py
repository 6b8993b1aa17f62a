"""Backup, restore, the way of a key, and a whole rollback, each against the bare commands."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent.parent)]

from backup_figures import backup, million_rows  # noqa: E402  # a benchmark is a script beside it
from figures import Figures  # noqa: E402
from key_figures import key  # noqa: E402
from restore_figures import restore  # noqa: E402
from rollback_figures import rollback  # noqa: E402

FIGURES = ("backup", "restore", "key", "rollback")


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", choices=FIGURES)
    given = parser.parse_args()
    figures = Figures()
    wanted = (given.only,) if given.only else FIGURES
    if {"backup", "restore"}.intersection(wanted):
        with tempfile.TemporaryDirectory() as name, million_rows() as server:
            if "backup" in wanted:
                await backup(figures, server, Path(name), given.turns)
            if "restore" in wanted:
                await restore(figures, server, Path(name), given.turns)
    if "key" in wanted:
        await key(figures)
    if "rollback" in wanted:
        await rollback(figures, given.turns)
    return figures.status


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
