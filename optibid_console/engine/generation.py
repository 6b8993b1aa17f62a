"""All that follows from one loaded runbook: built, then started in the place of what was before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from optibid_console.engine.acting import ActionRunner
from optibid_console.engine.database_watch import DatabaseWatch
from optibid_console.engine.gating import Gatekeeper
from optibid_console.engine.judging import Judge
from optibid_console.engine.late_answers import LateAnswers
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.observing import Observers
from optibid_console.engine.operations import operations_of
from optibid_console.engine.operations.databases import Database, databases_of
from optibid_console.engine.own_database import OwnDatabase
from optibid_console.engine.preflighting import Preflight
from optibid_console.engine.running import StepRunner
from optibid_console.engine.tailing import FollowedTail
from optibid_console.engine.tidying import OpenWindows, Tidied
from optibid_console.engine.units import Key, Loop, Unit, kept
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import Criterion
from optibid_console.targets import without_link
from optibid_console.targets.target import Target


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the engine has whichever runbook its window goes by."""

    ledger: Ledger
    busy: asyncio.Lock
    """Held while a command is carried out."""
    open_windows: OpenWindows
    own_database: Callable[[Mapping[str, Database]], OwnDatabase] | None = None
    """The check that a team's journal isn't in one of these databases."""
    earlier: Callable[[], Awaitable[None]] | None = None
    """Measures the steps in the journals of earlier windows."""


class WatchedDatabase:
    """One of `[databases]`, with the watch on it."""

    def __init__(self, database: Database, loaded: Loaded, target: Target, ledger: Ledger) -> None:
        self.database = database
        password = loaded.secrets.reveal(database.spec.password)
        self.definition = (database.spec, password, target)
        self._watch = DatabaseWatch(database, ledger)

    async def run(self) -> None:
        await self._watch.run()

    async def close(self) -> None:
        await self.database.close()


class Generation:
    """The parts of the engine that go by one runbook.

    Building one changes nothing: it takes over the units of the generation `before` whose
    definitions are equal, and starts none. The engine's `swap` does both.
    """

    def __init__(
        self,
        loaded: Loaded,
        targets: Mapping[str, Target],
        around: Surroundings,
        before: Generation | None = None,
        opening: int = 0,
    ) -> None:
        """`opening`: the number under which its new targets tell of their links."""
        ledger, runbook, secrets = around.ledger, loaded.runbook, loaded.secrets
        self.opening = opening
        self.loaded = loaded
        self.targets = targets
        seen = before.observers if before else None
        self.observers: Observers = Observers(loaded, targets, ledger, seen)
        self.judge = Judge(runbook, ledger, self.observers, _judged_since(runbook.criteria, before))
        self._redefined = _redefined(runbook.criteria, before)
        self._tails: dict[str, FollowedTail] = _tails(loaded, targets, ledger)
        self._databases: dict[str, WatchedDatabase] = _databases(loaded, targets, ledger)
        self._tidied: dict[str, Tidied] = _tidied(loaded, targets, around)
        if before is not None:
            self._tails = kept(before._tails, self._tails)
            self._databases = kept(before._databases, self._databases)
            self._tidied = kept(before._tidied, self._tidied)
        self.databases = {name: one.database for name, one in self._databases.items()}
        operations = operations_of(loaded, ledger, targets, self.databases, around.open_windows)
        take_now = self.observers.take_now
        self.steps = StepRunner(runbook, ledger, targets, secrets, take_now, operations)
        self.actions = ActionRunner(runbook, ledger, self.steps)
        self.late = LateAnswers(ledger, targets, self.steps)
        self.gates = Gatekeeper(ledger, self.observers, around.busy)
        self.preflight = Preflight(runbook, ledger, self.observers)
        self.own = around.own_database(self.databases) if around.own_database else None
        self._earlier = around.earlier

    def units(self) -> dict[Key, Unit]:
        """Returns what runs beside everything else, in the order in which it is started."""
        loops: dict[str, Callable[[], Awaitable[None]]]
        loops = {"judge": self.judge.run, "gates": self.gates.run, "late answers": self.late.run}
        if self.own is not None:
            loops["own database"] = self.own.run
        if self._earlier is not None:
            loops["earlier windows"] = self._earlier
        return {
            **{("probe", name): one for name, one in self.observers.probes.items()},
            **{("panel", name): one for name, one in self.observers.panels.items()},
            **{("loop", name): Loop(run) for name, run in loops.items()},
            **{("tail", name): one for name, one in self._tails.items()},
            **{("database", name): one for name, one in self._databases.items()},
            **{("target", name): one for name, one in self._tidied.items()},
        }

    def goes_into_effect(self, at: float) -> None:
        """The runbook is accepted `at` that moment (epoch seconds): triggers that it redefines
        are judged by what is read from then on."""
        self.judge.judged_since.update(dict.fromkeys(self._redefined, at))

    def answers(self, target: str) -> None:
        """The target can be reached."""
        if target in self._tidied:
            self._tidied[target].answers()

    async def close(self) -> None:
        """Close what its units hold, once none of them runs; whoever opened the targets closes
        them."""
        for key, unit in self.units().items():
            if key[0] != "target":
                await unit.close()

    async def discard(self, current: Generation) -> None:
        """Close what `current` doesn't have: this generation never goes into effect."""
        used = current.units()
        for key, unit in self.units().items():
            if used.get(key) is not unit:
                await unit.close()


def _tails(
    loaded: Loaded, targets: Mapping[str, Target], ledger: Ledger
) -> dict[str, FollowedTail]:
    tails = loaded.runbook.tails.values()
    return {one.id: FollowedTail(one, loaded.secrets, targets, ledger) for one in tails}


def _databases(
    loaded: Loaded, targets: Mapping[str, Target], ledger: Ledger
) -> dict[str, WatchedDatabase]:
    return {
        name: WatchedDatabase(one, loaded, targets[one.spec.on], ledger)
        for name, one in databases_of(loaded, ledger, targets).items()
    }


def _tidied(
    loaded: Loaded, targets: Mapping[str, Target], around: Surroundings
) -> dict[str, Tidied]:
    reached = without_link(loaded.runbook)
    return {
        name: Tidied(one, around.ledger, around.open_windows, reached=name in reached)
        for name, one in targets.items()
    }


def _judged_since(criteria: tuple[Criterion, ...], before: Generation | None) -> dict[str, float]:
    """Returns criterion → since when (epoch seconds) it is defined as it is now, for those that
    another runbook before has redefined."""
    since = before.judge.judged_since if before is not None else {}
    return {one.id: since[one.id] for one in criteria if one.id in since}


def _redefined(criteria: tuple[Criterion, ...], before: Generation | None) -> tuple[str, ...]:
    """Returns the criteria that are new, or judged by something else than before."""
    if before is None:
        return ()
    known = {one.id: _defined(one) for one in before.loaded.runbook.criteria}
    return tuple(one.id for one in criteria if _defined(one) != known.get(one.id))


def _defined(criterion: Criterion) -> Criterion:
    """Returns what a criterion is judged by: all but its title."""
    return replace(criterion, title="")
