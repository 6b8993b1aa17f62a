"""Old run directories are removed from the targets, never those of an open window."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from optibid_console import entries as e
from optibid_console.engine.ledger import Ledger
from optibid_console.journal.journal import JournalError
from optibid_console.targets.following import drop
from optibid_console.targets.target import LinkLost, Target, TargetError
from probes.error_words import error_words

_EVERY_S = 86400.0
_AGAIN_S = 3600.0

OpenWindows = Callable[[], Collection[str]]
"""The ids of the windows that are open elsewhere; may read files. Raises `JournalError`."""


class Tidying:
    """Tidies a target up once it has answered, and then once a day. Nothing waits for it."""

    def __init__(
        self,
        ledger: Ledger,
        targets: Mapping[str, Target],
        reached: Collection[str],
        open_windows: OpenWindows,
    ) -> None:
        self._ledger = ledger
        self._targets = targets
        self._open_windows = open_windows
        self._answered = {name: asyncio.Event() for name in targets}
        self._noted = dict.fromkeys(targets, "")
        for name in reached:
            self.answers(name)

    def answers(self, name: str) -> None:
        """This target can be reached."""
        self._answered[name].set()

    async def run(self) -> None:
        """Until cancelled. Raises `Deposed`."""
        tasks = [asyncio.create_task(self._keep_tidy(name)) for name in self._targets]
        try:
            await asyncio.gather(*tasks)
        finally:
            await drop(*tasks)

    async def _keep_tidy(self, name: str) -> None:
        await self._answered[name].wait()
        while True:
            pause_s = _EVERY_S if await self._tidy(name) else _AGAIN_S
            await asyncio.sleep(pause_s)

    async def _tidy(self, name: str) -> bool:
        """Whether it could be done. What was removed, or why nothing was, is noted."""
        try:
            others = await asyncio.to_thread(self._open_windows)
            windows = sorted({*others, self._ledger.state.window_id})
            removed = await self._targets[name].clean(open_windows=windows)
        except (TargetError, JournalError, OSError, ValueError) as error:
            # that there is no connection is told as the link's state
            if not isinstance(error, LinkLost) or error.sent:
                await self._note(name, f"old run directories stay: {error_words(error)}")
            return False
        if removed:
            are = "directory was" if removed == 1 else "directories were"
            await self._note(name, f"{removed} run {are} older than keep_runs and removed")
        return True

    async def _note(self, name: str, text: str) -> None:
        before, self._noted[name] = self._noted[name], text
        if text != before:
            await self._ledger.keep(e.NoteWritten("window", f"{name}: {text}"))
