"""The parts of a backup set that a run step makes: files, a tag, an image, a revision, a
directory."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Mapping

from optibid_console import entries as e
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.live_run import LiveRun, why_no_fact
from optibid_console.engine.operations.retaining import Retention
from optibid_console.engine.reports import Report
from optibid_console.targets.target import Target
from probes.probe import HostError
from probes.text import one_line

_LEAST_S = 10.0
_ASK_AGAIN_S = 1.0
_FILES = "files"

_LOOK = """
[ -f "$1" ] && [ -s "$1" ] || { echo "there is no such file, or nothing in it"; exit 1; }
wc -c <"$1" && if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi <"$1"
"""


class PartOperation:
    """A `kind = "run"` step with `artifact`: what its last line names is a part of the set.

    Other steps pass through as they are.
    """

    def __init__(self, ledger: Ledger, targets: Mapping[str, Target], retention: Retention) -> None:
        self._ledger = ledger
        self._targets = targets
        self._retention = retention

    async def before(self, live: LiveRun) -> str:
        return ""

    async def during(self, live: LiveRun) -> None:
        return

    def report(self, live: LiveRun, report: Report) -> None:
        return

    async def after(self, live: LiveRun, outcome: e.Outcome, reason: str) -> tuple[e.Outcome, str]:
        step = live.step
        if not step.artifact or outcome is not e.Outcome.SUCCEEDED:
            return outcome, reason
        named = live.trail.last_line()
        if (live.lost or named) and (why_not := why_no_fact(live)):
            return e.Outcome.FAILED, f"{reason}, but {why_not}"
        if not named or not named.isprintable():
            return e.Outcome.FAILED, f"it ended with exit 0 but named no {step.artifact}"
        if step.artifact != _FILES:
            await self._record(live, named)
            return outcome, f"{reason}; {step.artifact} {named}"
        return await self._file(live, named, reason)

    async def _file(self, live: LiveRun, path: str, reason: str) -> tuple[e.Outcome, str]:
        """Look at the file that it named, with eyes of the console's own."""
        if not path.startswith("/"):
            return e.Outcome.FAILED, f"its last line has to be the file's whole path, not {path}"
        try:
            size, sha256 = await self._look(live, path)
        except ValueError as wrong:
            return e.Outcome.FAILED, f"{path}: {wrong}"
        except (HostError, TimeoutError) as lost:
            why = str(lost) or "it took too long"
            return e.Outcome.UNKNOWN, f"{path} was named, but couldn't be looked at: {why}"
        await self._record(live, path, size, sha256)
        stamp = self._ledger.state.stamp
        removed = await self._retention.after(self._targets[live.step.on], path, stamp)
        said = f"{reason}; {path}, {size:,} bytes"
        return e.Outcome.SUCCEEDED, f"{said}; {removed}" if removed else said

    async def _look(self, live: LiveRun, path: str) -> tuple[int, str]:
        """The file's size in bytes and its SHA-256.

        Asks again while the link is away, for as long as the step may take. Raises
        `ValueError`, `HostError`, `TimeoutError`.
        """
        host = self._targets[live.step.on]
        command = f"set -- {shlex.quote(path)}\n{_LOOK}"
        while True:
            try:
                done = await host.execute(command, timeout_s=max(live.left_s(), _LEAST_S))
            except HostError:
                if live.stop.is_set() or live.left_s() <= 0:
                    raise
                await asyncio.sleep(_ASK_AGAIN_S)
                continue
            said = done.stdout.decode("utf-8", "replace")
            match = re.fullmatch(r"\s*(\d+)\s+([0-9a-f]{64})\s.*\n", said)
            if done.exit_status or match is None:
                raise ValueError(one_line(said + done.stderr.decode("utf-8", "replace"), 200))
            return int(match[1]), match[2]

    async def _record(self, live: LiveRun, path: str, size: int = 0, sha256: str = "") -> None:
        """What isn't in the journal yet: an engine may have died in between."""
        state, step = self._ledger.state, live.step
        known = state.artifacts.get(step.record)
        if known is None or known.recorded.run_id != live.run_id:
            by = state.runs[live.run_id].by if live.run_id in state.runs else ""
            checks = (f"it is on {step.on} and was read to its end",) if sha256 else ()
            fact = e.ArtifactRecorded(
                step.record, step.artifact, step.on, path, size, sha256, checks,
                step_id=step.id, run_id=live.run_id,
            )  # fmt: skip
            await self._ledger.keep(fact, by)
        values = {step.record: path, **({f"{step.record}.sha256": sha256} if sha256 else {})}
        for name, value in values.items():
            if self._ledger.state.facts.get(name) != value:
                await self._ledger.keep(e.FactRecorded(name, value, step.id))
