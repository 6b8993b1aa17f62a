"""Old run directories are removed from the targets, never those of an open window."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from optibid_console import entries as e
from optibid_console.engine.ledger import Ledger
from optibid_console.journal.journal import JournalError
from optibid_console.targets.target import LinkLost, Target, TargetError
from probes.error_words import error_words

_EVERY_S = 86400.0
_AGAIN_S = 3600.0

OpenWindows = Callable[[], Collection[str]]
"""The ids of the windows that are open elsewhere; may read files. Raises `JournalError`."""


class Tidied:
    """One target: tidied up once it has answered, and then once a day. Nothing waits for it."""

    def __init__(
        self, target: Target, ledger: Ledger, open_windows: OpenWindows, *, reached: bool
    ) -> None:
        """`reached`: the target is always reached, and no link of it is told."""
        self.target = target
        self.definition = target
        self._ledger = ledger
        self._open_windows = open_windows
        self._answered = asyncio.Event()
        self._noted = ""
        if reached:
            self.answers()

    def answers(self) -> None:
        """The target can be reached."""
        self._answered.set()

    async def run(self) -> None:
        """Until cancelled. Raises `Deposed`."""
        await self._answered.wait()
        while True:
            pause_s = _EVERY_S if await self._tidy() else _AGAIN_S
            await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """Close the target's connections; runs go on there."""
        await self.target.close()

    async def _tidy(self) -> bool:
        """Whether it could be done. What was removed, or why nothing was, is noted."""
        try:
            others = await asyncio.to_thread(self._open_windows)
            windows = sorted({*others, self._ledger.state.window_id})
            removed = await self.target.clean(open_windows=windows)
        except (TargetError, JournalError, OSError, ValueError) as error:
            # that there is no connection is told as the link's state
            if not isinstance(error, LinkLost) or error.sent:
                await self._note(f"old run directories stay: {error_words(error)}")
            return False
        if removed:
            are = "directory was" if removed == 1 else "directories were"
            await self._note(f"{removed} run {are} older than keep_runs and removed")
        return True

    async def _note(self, text: str) -> None:
        before, self._noted = self._noted, text
        if text != before:
            await self._ledger.keep(e.NoteWritten("window", f"{self.target.name}: {text}"))
