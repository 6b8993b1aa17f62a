"""Backup of 1,000,000 rows against the bare commands."""

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


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    figures = Figures()
    with tempfile.TemporaryDirectory() as name, million_rows() as server:
        await backup(figures, server, Path(name), given.turns)
    return figures.status


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
