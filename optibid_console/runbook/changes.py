"""What differs between the runbook that a window goes by and the one in a config now. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optibid_console.runbook.load import Loaded
    from optibid_console.runbook.model import Runbook


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """What differs between two JSON values: a line each, `key: old → new`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(key for key in new if key not in old)]
        lists = [
            differences(old.get(key), new.get(key), f"{where}.{key}".lstrip(".")) for key in keys
        ]
        return [line for one in lists for line in one]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        lists = [
            differences(a, b, f"{where}[{i}]")
            for i, (a, b) in enumerate(zip(old, new, strict=True))
        ]
        return [line for one in lists for line in one]
    return [] if old == new else [f"{where}: {_short(old)} → {_short(new)}"]


class GivenRunbook:
    """The config that a screen was started with, to be held against its window's runbook."""

    def __init__(self) -> None:
        self.name = ""
        """The config's file name."""
        self._loaded: Loaded | None = None
        self._compared_to = ""
        self._changes: tuple[str, ...] = ()

    def take(self, name: str, loaded: Loaded) -> None:
        """Once it is read: after the first paint."""
        self.name, self._loaded = name, loaded

    def changes(self, runbook: Runbook | None, digest: str) -> tuple[str, ...]:
        """A line for each difference from the window's `runbook`; none while it isn't known."""
        if self._loaded is None or runbook is None or digest == self._loaded.digest:
            return ()
        if digest != self._compared_to:
            from optibid_console.codec import to_plain  # nothing of this before the first paint

            self._compared_to = digest
            self._changes = tuple(differences(to_plain(runbook), to_plain(self._loaded.runbook)))
        return self._changes


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
