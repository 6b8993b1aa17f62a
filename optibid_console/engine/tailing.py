"""Tails on their way to the screens: every log of the runbook, redacted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import fields

from optibid_console.codec import from_plain, to_plain
from optibid_console.engine.ledger import Ledger
from optibid_console.runbook.model import TailSpec
from optibid_console.runbook.secrets import Secrets
from optibid_console.signals import LogLines
from optibid_console.targets.rehearsal import for_probes
from optibid_console.targets.target import Target
from probes import registry
from probes.probe import Tail, TailBatch
from probes.text import one_line

_AGAIN_S = 5.0


class FollowedTail:
    """Follows one tail until cancelled. One that breaks is shown, and tried again."""

    def __init__(
        self, spec: TailSpec, secrets: Secrets, targets: Mapping[str, Target], ledger: Ledger
    ) -> None:
        self._spec = spec
        self._secrets = secrets
        self._target = targets[spec.on or "local"]
        self._ledger = ledger
        self._given = secrets.reveal_all(to_plain(spec))
        self.definition = (spec, self._given, self._target)

    async def run(self) -> None:
        while True:
            try:
                tail = self._build()
                async with aclosing(tail.batches()) as batches:
                    async for batch in batches:
                        self._tell(batch)
                notice = "ended"
            except Exception as error:  # a tail's bug must not end the engine; it is shown instead
                notice = f"lost: {self._secrets.redact(one_line(str(error), 200))}"
            again = f"{notice}, retry in {_AGAIN_S:g} s"
            self._ledger.signal(LogLines(self._spec.id, b"", 0, 0, again))
            await asyncio.sleep(_AGAIN_S)

    async def close(self) -> None:
        """Its stream ended with its task."""

    def _tell(self, batch: TailBatch) -> None:
        secrets = self._secrets
        data, notice = secrets.redact_bytes(batch.data), secrets.redact(batch.notice)
        at = round(time.time(), 3)
        self._ledger.signal(LogLines(self._spec.id, data, batch.count, batch.dropped, notice, at))

    def _build(self) -> Tail:
        spec = self._spec
        wanted = registry.tail_settings_class(spec.kind)
        names = {one.name for one in fields(wanted)}
        given = {key: one for key, one in self._given.items() if key in names}
        settings: object = from_plain(wanted, given)
        return registry.build_tail(spec.kind, spec.id, settings, for_probes(self._target))
