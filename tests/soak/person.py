"""A person who watches a window of the soak in a terminal: the real command, on a pty."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.e2e.terminal import Terminal

_WITHIN_S = 120.0


class Person:
    """Attaches at once, and again whenever her screen was killed."""

    def __init__(self, journal: Path, environ: Mapping[str, str]) -> None:
        self._journal = journal
        self._environ = environ
        self._attach()

    def is_cut_off(self) -> None:
        """Her screen is killed; she attaches again."""
        self.leave()
        self._attach()

    def sees(self, *words: str) -> None:
        """Wait until all of it is on her screen. Raises `AssertionError` with what is there."""
        if self._terminal.process.poll() is not None:  # no engine ran when she attached
            self.is_cut_off()
        self._terminal.until(*words, within_s=_WITHIN_S)

    def leave(self) -> None:
        """Without a word: SIGKILL."""
        self._terminal.close()

    def _attach(self) -> None:
        self._terminal = Terminal(
            "attach", str(self._journal), "--watch", "--as", "bob",
            cwd=self._journal.parent, environ=self._environ,
        )  # fmt: skip
