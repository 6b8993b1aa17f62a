"""Another runbook in mid-window: read, compared, confirmed by its digest, then swapped in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.accepting import changes, why_not_accepted
from optibid_console.codec import to_plain
from optibid_console.engine.generation import Generation
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.own_database import SameDatabase
from optibid_console.permit import permit
from optibid_console.runbook.changes import differences
from optibid_console.runbook.difference import Change, RunbookDifference
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.problems import RunbookError
from optibid_console.runbook.secrets import Secrets
from probes.error_words import bug_words, error_words

_PROBLEMS = 3
"""So many problems of a config are said; `check` says all."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A runbook that was confirmed, with the generation that was built of it."""

    loaded: Loaded
    generation: Generation
    follows: Generation
    """The generation that it takes the place of."""
    secrets: tuple[str, ...]
    """The names of secrets whose values have changed."""


class Reloading:
    """Reads the engine's config again and builds what follows from it; the engine swaps it in."""

    def __init__(
        self,
        ledger: Ledger,
        current: Callable[[], Generation],
        read: Callable[[], Loaded],
        build: Callable[[Loaded], Generation],
    ) -> None:
        """`read`: loads the config, in a thread; raises `RunbookError`. `build`: the generation
        that would follow the current one; changes nothing."""
        self._ledger = ledger
        self._current = current
        self._read = read
        self._build = build
        self._reading = asyncio.Lock()

    async def look(self) -> c.Reply:
        """Returns how the config differs from the runbook of the window."""
        if why := permit(self._ledger.state, c.LookAtRunbook()):
            return c.Refused(why)
        loaded = await self._loaded()
        if isinstance(loaded, c.Refused):
            return loaded
        difference = self._difference(loaded)
        said = f"{loaded.path.name} is as it was: nothing would change" if difference.empty else ""
        return c.Accepted(said, self._ledger.state.seq, runbook=difference)

    async def prepare(self, command: c.ReloadRunbook) -> Prepared | c.Refused:
        """Returns what to go on by; refused when the config isn't what was looked at, or can't be
        gone on by."""
        if why := permit(self._ledger.state, command):
            return c.Refused(why)
        loaded = await self._loaded()
        if isinstance(loaded, c.Refused):
            return loaded
        found = self._difference(loaded)
        name = loaded.path.name
        if (found.digest, found.secrets) != (command.digest, command.secrets):
            return c.Refused(f"{name} has changed since it was looked at: look at it again")
        if found.empty:
            return c.Refused(f"{name} is as it was: there is nothing to change")
        if found.refused:
            return c.Refused(found.refused)
        return await self._built(loaded, found.secrets)

    def why_not(self, prepared: Prepared) -> str:
        """Returns why what was prepared can't go into effect any more; empty when it can."""
        current = self._current()
        if prepared.follows is not current:
            return "another runbook was accepted meanwhile: look at the difference again"
        if live := current.steps.live():
            return f"{live[0].step.id} is under way: it has to end first"
        state = self._ledger.state
        command = c.ReloadRunbook(prepared.loaded.digest, prepared.secrets)
        return permit(state, command) or why_not_accepted(state, prepared.loaded.runbook)

    def fact(self, prepared: Prepared) -> e.RunbookAccepted:
        """Returns the entry with which the window goes by the new runbook."""
        loaded, state = prepared.loaded, self._ledger.state
        new = to_plain(loaded.runbook)
        changed = [f"the value of ${{{name}}} changed" for name in prepared.secrets]
        lines = (*differences(to_plain(state.runbook), new), *changed)
        return e.RunbookAccepted(loaded.digest, tuple(map(loaded.secrets.redact, lines)), new)

    async def _built(self, loaded: Loaded, secrets: tuple[str, ...]) -> Prepared | c.Refused:
        current = self._current()
        try:
            generation = self._build(loaded)
        except Exception as error:  # whatever a new runbook can't be built for, the old one stays
            said = loaded.secrets.redact(error_words(error))
            return c.Refused(f"{loaded.path.name} can't be gone on by, nothing changed: {said}")
        if generation.own is not None:
            try:
                await generation.own.check()
            except SameDatabase as error:
                await generation.discard(current)
                return c.Refused(str(error))
        return Prepared(loaded, generation, current, secrets)

    async def _loaded(self) -> Loaded | c.Refused:
        """Returns the config as it is now. Its secrets are redacted from here on, also should it
        never be accepted."""
        async with self._reading:
            try:
                loaded = await asyncio.to_thread(self._read)
            except RunbookError as error:
                return c.Refused(_problems(error, self._current().loaded))
            except Exception as error:  # a bug in reading a config must not end the engine
                said = self._current().loaded.secrets.redact(bug_words(error))
                return c.Refused(f"the config can't be read, nothing changed: {said}")
        loaded.secrets.redact_together(self._current().loaded.secrets)
        return loaded

    def _difference(self, loaded: Loaded) -> RunbookDifference:
        state, secrets = self._ledger.state, loaded.secrets
        changed = secrets.changed_from(self._current().loaded.secrets)
        return RunbookDifference(
            str(loaded.path), loaded.digest, changed,
            (*(_clean(one, secrets) for one in changes(state, loaded.runbook)),
             *_channels(self._current().loaded, loaded)),
            permit(state, c.ReloadRunbook(loaded.digest))
            or why_not_accepted(state, loaded.runbook),
        )  # fmt: skip


def _clean(change: Change, secrets: Secrets) -> Change:
    details = tuple(map(secrets.redact, change.details))
    return replace(change, text=secrets.redact(change.text), details=details)


def _channels(before: Loaded, after: Loaded) -> tuple[Change, ...]:
    """Returns the channels that got a value which they lacked, or lack one now."""
    named = sorted(before.channels_off.keys() ^ after.channels_off.keys())
    return tuple(
        Change("tell", f"{name}: {after.channels_off.get(name, 'has its values now')}")
        for name in named
        if name in before.runbook.tell and name in after.runbook.tell
    )


def _problems(error: RunbookError, current: Loaded) -> str:
    """Returns the first problems of a config that can't be used."""
    found = [str(one) for one in error.problems]
    more = f"; and {len(found) - _PROBLEMS} more, `check` says all" if found[_PROBLEMS:] else ""
    said = current.secrets.redact("; ".join(found[:_PROBLEMS]))
    return f"{current.path.name} can't be used, nothing changed: {said}{more}"
