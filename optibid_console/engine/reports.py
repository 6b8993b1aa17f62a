"""What a command of the console's own reports while it runs, told apart from its output.

A report is a line `RS run-id SP JSON`, as `runbook.operations.REPORTING` writes it. Nothing
else can write one: the run's id is new for each run, and other lines stay output.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_LONGEST = 64 * 1024

Report = Mapping[str, Any]


class ReportFilter:
    """Takes output, gives it without the reports of one run; those are in `reports`. Pure."""

    def __init__(self, run_id: str) -> None:
        self.reports: list[Report] = []
        """Those that nobody has taken yet."""
        self._mark = b"\x1e" + run_id.encode() + b" "
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The output in `data` that certainly is no report; the rest is held back."""
        if not self._held and b"\x1e" not in data:
            return data
        self._held += data
        return b"".join(self._parted())

    def flush(self) -> bytes:
        """What was held back, when no more comes."""
        rest, self._held = self._held, b""
        return rest

    def take(self) -> list[Report]:
        """The reports since the last time."""
        taken, self.reports = self.reports, []
        return taken

    def _parted(self) -> Iterator[bytes]:
        while self._held:
            at = self._held.find(b"\x1e")
            before, self._held = (self._held, b"") if at < 0 else (self._held[:at], self._held[at:])
            if before:
                yield before
            if not self._held:
                return
            end = self._held.find(b"\n")
            if not self._mark.startswith(self._held[: len(self._mark)]):
                yield self._pass(1)
            elif end < 0:
                if len(self._held) <= _LONGEST:
                    return
                yield self._pass(1)
            else:
                line = self._pass(end + 1)
                report = _report(line[len(self._mark) :])
                if report is None:
                    yield line
                else:
                    self.reports.append(report)

    def _pass(self, size: int) -> bytes:
        data, self._held = self._held[:size], self._held[size:]
        return data


def _report(line: bytes) -> Report | None:
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None
