"""The story so far, kept: the host's files, the journal and the database at three moments.

A test takes one of them, and goes on from there at the same place.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from optibid_console.entries import Outcome
from tests.story.settings import DBNAME
from tests.story.stage import Stage, step

_KEPT = ("host", "state", "run", "config.toml", "a.journal")

BEFORE, BACKED_UP, DEPLOYED = "before", "backed_up", "deployed"


class Acts:
    """The stage and its three beginnings."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._store = stage.path / "acts"

    async def rehearse(self, template: str) -> None:
        """Play the story once and keep each moment."""
        self.stage.configure(lock_timeout="2s")
        self.stage.take_database(template)
        self.backed_up = self.stage.portrait()
        self._keep(BEFORE)
        await self._play("1a", "1b", "1c")
        self._keep(BACKED_UP)
        await self._play("2a", "3a")
        self.stage.backend("stop")
        self._keep(DEPLOYED)

    def take(self, moment: str) -> Stage:
        """The stage as it was at that moment, with the release running that ran then."""
        stage = self.stage
        stage.clear()
        stage.engines.clear()
        stage.backend("stop")
        for one in _KEPT:
            path = stage.path / one
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for path in stage.path.glob("a.journal-*"):
            path.unlink()
        for one in (self._store / moment).iterdir():
            _copy(one, stage.path / one.name)
        stage.take_database(f"act_{moment}")
        stage.backend("start")
        return stage

    def _keep(self, moment: str) -> None:
        place = self._store / moment
        place.mkdir(parents=True)
        for one in _KEPT:
            path = self.stage.path / one
            if path.exists():
                _copy(path, place / one)
        self.stage.sql(f"CREATE DATABASE act_{moment} TEMPLATE {DBNAME}", "postgres")

    async def _play(self, *steps: str) -> None:
        async with self.stage.played() as screen:
            for one in steps:
                ended = await step(screen, one)
                assert ended.outcome is Outcome.SUCCEEDED, (one, ended)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=_sockets)
    else:
        shutil.copy2(source, target)


def _sockets(directory: str, names: list[str]) -> list[str]:
    return [one for one in names if Path(directory, one).is_socket()]
