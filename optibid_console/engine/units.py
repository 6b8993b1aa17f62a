"""The units of a generation: what the runbook names and the engine runs beside everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from probes.error_words import error_words

Key = tuple[str, str]
"""What a unit is (`probe`, `tail`, …), and its id."""


class Unit(Protocol):
    """One probe, panel, tail, database, target or loop of the engine."""

    @property
    def definition(self) -> object:
        """What it was made from. Of two units with equal definitions either can go on."""

    async def run(self) -> None:
        """Do its work until cancelled."""

    async def close(self) -> None:
        """Give back what it holds, once it doesn't run any more."""


U = TypeVar("U", bound=Unit)


class Loop:
    """A loop of the engine that goes by one runbook: another runbook gets another loop."""

    def __init__(self, run: Callable[[], Awaitable[object]]) -> None:
        self.definition = object()
        self._run = run

    async def run(self) -> None:
        await self._run()

    async def close(self) -> None:
        """Nothing is held."""


def kept(before: Mapping[str, U], made: Mapping[str, U]) -> dict[str, U]:
    """Returns the units of `made`, with those of `before` in the place of equal ones."""
    units = dict(made)
    for name, unit in made.items():
        old = before.get(name)
        if old is not None and old.definition == unit.definition:
            units[name] = old
    return units


class Running:
    """The tasks of the units that run."""

    def __init__(self, keep: Callable[[asyncio.Task[Any]], None]) -> None:
        """`keep`: holds on to a task, and ends the engine with its error."""
        self._keep = keep
        self._running: dict[Key, tuple[Unit, asyncio.Task[None]]] = {}

    def change(self, units: Mapping[Key, Unit]) -> list[tuple[Unit, asyncio.Task[None]]]:
        """Run these units: those that run already go on, the others are started. Returns those
        that were told to end; `ended` waits for them."""
        gone = [one for key, one in self._running.items() if units.get(key) is not one[0]]
        for _, task in gone:
            task.cancel()
        before, self._running = self._running, {}
        for key, unit in units.items():
            known = before.get(key)
            if known is not None and known[0] is unit:
                self._running[key] = known
                continue
            task = asyncio.create_task(unit.run())
            self._running[key] = unit, task
            self._keep(task)
        return gone


async def ended(gone: list[tuple[Unit, asyncio.Task[None]]]) -> list[str]:
    """Wait until these units have ended, and close them. Returns what couldn't be closed."""
    await asyncio.gather(*(task for _, task in gone), return_exceptions=True)
    problems = []
    for unit, _ in gone:
        try:
            await unit.close()
        except Exception as error:  # the window goes on without it; whoever asked is told
            problems.append(error_words(error))
    return problems
