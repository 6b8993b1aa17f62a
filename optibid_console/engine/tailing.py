"""Tails on their way to the screens: every log of the runbook, redacted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import fields

from optibid_console.codec import from_plain, to_plain
from optibid_console.engine.ledger import Ledger
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import TailSpec
from optibid_console.signals import LogLines
from optibid_console.targets.rehearsal import for_probes
from optibid_console.targets.target import Target
from probes import registry
from probes.probe import Tail, TailBatch
from probes.text import one_line

_AGAIN_S = 5.0


class Tails:
    """Follows all tails until cancelled. One that breaks is shown, and tried again."""

    def __init__(self, loaded: Loaded, targets: Mapping[str, Target], ledger: Ledger) -> None:
        self._loaded = loaded
        self._targets = targets
        self._ledger = ledger

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for spec in self._loaded.runbook.tails.values():
                group.create_task(self._follow(spec))

    async def _follow(self, spec: TailSpec) -> None:
        while True:
            try:
                tail = self._build(spec)
                async with aclosing(tail.batches()) as batches:
                    async for batch in batches:
                        self._tell(spec, batch)
                notice = "ended"
            except Exception as error:  # a tail's bug must not end the engine; it is shown instead
                notice = f"lost: {self._loaded.secrets.redact(one_line(str(error), 200))}"
            self._ledger.signal(LogLines(spec.id, b"", 0, 0, f"{notice}, retry in {_AGAIN_S:g} s"))
            await asyncio.sleep(_AGAIN_S)

    def _tell(self, spec: TailSpec, batch: TailBatch) -> None:
        secrets = self._loaded.secrets
        data, notice = secrets.redact_bytes(batch.data), secrets.redact(batch.notice)
        at = round(time.time(), 3)
        self._ledger.signal(LogLines(spec.id, data, batch.count, batch.dropped, notice, at))

    def _build(self, spec: TailSpec) -> Tail:
        wanted = registry.tail_settings_class(spec.kind)
        names = {one.name for one in fields(wanted)}
        given = {key: one for key, one in to_plain(spec).items() if key in names}
        settings: object = from_plain(wanted, self._loaded.secrets.reveal_all(given))
        host = for_probes(self._targets[spec.on or "local"])
        return registry.build_tail(spec.kind, spec.id, settings, host)
