"""One probe or panel as the engine runs it: read at its pace, told, its changes recorded."""

from __future__ import annotations

import asyncio
import math
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from optibid_console import entries as e
from optibid_console.criteria import KEPT_SAMPLES, Sample
from optibid_console.engine.building import all_text, build, facts_used
from optibid_console.engine.ledger import Ledger
from optibid_console.rehearsing import unknown_facts
from optibid_console.runbook.model import PanelSpec, ProbeSpec
from optibid_console.runbook.secrets import Secrets
from optibid_console.signals import Sampled
from optibid_console.targets.rehearsal import for_probes
from optibid_console.targets.target import Target
from probes.error_words import bug_words, error_words
from probes.probe import HostError, KeepsSession, Probe, Reading, Status, take
from probes.text import one_line

LOG_IN_EVERY_S = 30.0
"""How often an SSH host that a lamp's probes look from is logged in to anew, at most."""
_LOG_IN_S = 5.0
"""What a log-in may take at least, whatever the probe's own timeout is."""


class Observed:
    """One probe or panel, read at its own pace."""

    def __init__(
        self,
        subject: str,
        spec: ProbeSpec | PanelSpec,
        secrets: Secrets,
        targets: Mapping[str, Target],
        ledger: Ledger,
        *,
        lamp: bool = False,
    ) -> None:
        """`subject`: `probe` or `panel`. `lamp`: an action's readiness rests on it, so that each
        reading logs in anew."""
        self.subject = subject
        self.spec = spec
        self.lamp = lamp
        self.samples: deque[Sample] = deque(maxlen=KEPT_SAMPLES)
        self.built_with: Mapping[str, str] = {}
        """The facts that its probe was built with."""
        self._secrets = secrets
        self._ledger = ledger
        self._probe: Probe | None = None
        self._busy = asyncio.Lock()
        self._said: tuple[Status, bool] | None = None
        """The status of its last reading, and whether there was no answer."""
        run = spec.settings.get("run")
        on = spec.on or ("local" if run else "")
        self._targets = {on: targets[on]} if on else {}
        unit = spec.unit if isinstance(spec, PanelSpec) else ""
        given = secrets.reveal_all(dict(spec.settings))
        env = secrets.env_for(run) if isinstance(run, str) else {}
        self._measures = (subject, self.kind, unit, self._targets, spec.settings)
        self.definition = (spec, lamp, self._measures, given, env)

    @property
    def kind(self) -> str:
        return self.spec.source if isinstance(self.spec, PanelSpec) else self.spec.kind

    def goes_on_from(self, before: Observed | None) -> None:
        """Take over the history of `before`, if that measured the same."""
        if before is not None and before._measures == self._measures:
            self.samples = before.samples

    async def close(self) -> None:
        """Close its probe, once a reading that is under way is over."""
        async with self._busy:
            probe, self._probe = self._probe, None
            if probe is not None:
                await probe.close()

    async def take_anew(self, within_s: float) -> Reading | None:
        """A reading for which every log-in is made now, and which waits for no journal; None when
        `within_s`, which is less than the probe's own timeout, was too short for it."""
        loop = asyncio.get_running_loop()
        since, ends = time.monotonic(), loop.time() + within_s
        try:
            async with asyncio.timeout_at(ends):
                await self._busy.acquire()
        except TimeoutError:
            return None  # a reading is under way that may have logged in before
        try:
            limit_s, own_s = max(ends - loop.time(), 0.1), float(self.spec.timeout)
            given_s = min(own_s, limit_s)
            reading, shut_out = await self._reading(given_s, since, limit_s)
        finally:
            self._busy.release()
        if limit_s < own_s and reading.took_ms >= limit_s * 900 and not shut_out:
            return None
        if self._note(reading):
            await self._ledger.keep_soon(e.ProbeChanged(reading, self.subject))
        return reading

    async def run(self) -> None:
        """Read it at once, then at a fixed pace that doesn't drift, at a moment of its own within
        its period; a beat that was missed isn't made up for."""
        loop = asyncio.get_running_loop()
        every_s = float(self.spec.every)
        due = loop.time() - every_s + phase_s(self.spec)
        while True:
            if not self.missing():
                await self.take()
            due += every_s
            now = loop.time()
            if due < now:
                due = now + every_s - (now - due) % every_s
            await asyncio.sleep(due - loop.time())

    async def take(self) -> Reading:
        """Take a reading at once."""
        own_s = float(self.spec.timeout)
        async with self._busy:
            missing = self.missing()
            if missing:
                summary = f"{', '.join(missing)} isn't recorded yet"
                return Reading(self.spec.id, Status.ERROR, summary, time.time(), 0.0)
            since = time.monotonic() - LOG_IN_EVERY_S
            reading, _ = await self._reading(own_s, since, max(own_s, _LOG_IN_S))
        if self._note(reading):
            await self._ledger.keep(e.ProbeChanged(reading, self.subject))
        return reading

    async def _reading(
        self, timeout_s: float, since: float, log_in_s: float
    ) -> tuple[Reading, str]:
        """A reading without secrets, and why the SSH host that a lamp's probe looks from lets no
        new connection in, or empty.

        A lamp's probe keeps no session. A log-in on its host counts when it was begun at `since`
        (`time.monotonic()`) or later; a new one may take `log_in_s`.
        """
        try:
            probe = await self._built()
        except Exception as error:  # a kind's bug must not end the engine; it is shown instead
            said = one_line(f"can't be measured: {error_words(error)}", 200)
            reading = Reading(self.spec.id, Status.ERROR, said, time.time(), 0.0)
            return self._clean(reading), ""
        if not self.lamp:
            return self._clean(await take(probe, timeout_s)), ""
        try:
            reading, shut_out = await asyncio.gather(
                take(probe, timeout_s), self._shut_out(self.spec.on, since, log_in_s)
            )
        finally:
            if isinstance(probe, KeepsSession):
                await probe.log_out()
        return self._clean(without_log_in(reading, shut_out)), shut_out

    async def _shut_out(self, on: str, since: float, log_in_s: float) -> str:
        """Returns why the target `on` lets no new connection in; empty when it does."""
        if not on:
            return ""
        try:
            async with asyncio.timeout(log_in_s):
                await for_probes(self._targets[on]).authenticate(since)
        except HostError as error:
            return one_line(str(error), 300)
        except TimeoutError:
            return f"{on}: no answer to a new log-in within {log_in_s:.2g} s"
        except Exception as error:  # a bug must not end the engine; the lamp goes dark instead
            return one_line(f"{on}: {bug_words(error)}", 300)
        return ""

    def missing(self) -> tuple[str, ...]:
        """Returns the facts without which it can't be read yet."""
        return unknown_facts(self._ledger.state, all_text(self.spec.settings))

    async def _built(self) -> Probe:
        facts = facts_used(self._ledger.state, self.spec.settings)
        if self._probe is not None and self.built_with == facts:
            return self._probe
        if self._probe is not None:
            await self._probe.close()
        known = self._ledger.state.facts
        self._probe = build(self.kind, self.spec, self._secrets, self._targets, known)
        self.built_with = facts
        return self._probe

    def _clean(self, reading: Reading) -> Reading:
        summary = self._secrets.redact(reading.summary)
        detail = {key: self._secrets.redact(value) for key, value in reading.detail.items()}
        reading = replace(reading, summary=summary, detail=detail)
        if reading.value is not None and not math.isfinite(reading.value):
            reading = replace(reading, value=None, status=Status.ERROR)
        if isinstance(self.spec, PanelSpec):
            return against_thresholds(self.spec, reading)
        return reading

    def _note(self, reading: Reading) -> bool:
        """Tell a reading and keep it. Returns whether it says anything else than the one before."""
        summary, away = reading.summary, reading.away
        took_s = reading.took_ms / 1000
        self.samples.append(
            Sample(reading.at, reading.status, reading.value, reading.unit, summary, away, took_s)
        )
        self._ledger.signal(Sampled(self.subject, reading))
        said = (reading.status, reading.away)
        changed, self._said = said != self._said, said
        return changed


def without_log_in(reading: Reading, shut_out: str) -> Reading:
    """What a lamp's probe says where no new connection to its host is let in, and why. Pure."""
    if not shut_out or reading.status is Status.FAILING:
        return reading
    said = f"no new log-in: {shut_out}"
    return replace(reading, status=Status.ERROR, summary=said, value=None)


def phase_s(spec: ProbeSpec | PanelSpec) -> float:
    """When within its period a probe or panel is read: always the same, and spread by its id.

    Panels of one page share its moment, and so one scrape. Pure.
    """
    page = spec.settings.get("url") if isinstance(spec, PanelSpec) else None
    share: float = zlib.crc32(str(page or spec.id).encode()) / 2**32
    return float(spec.every) * share


def against_thresholds(spec: PanelSpec, reading: Reading) -> Reading:
    """The reading with the status that the panel's thresholds give it. Pure."""
    value = reading.value
    unit = spec.unit or reading.unit
    if value is None:
        return replace(reading, unit=unit)
    limits: tuple[tuple[float | None, Status, Callable[[float, float], bool]], ...] = (
        (spec.fail_above, Status.FAILING, float.__gt__),
        (spec.fail_below, Status.FAILING, float.__lt__),
        (spec.warn_above, Status.WARN, float.__gt__),
        (spec.warn_below, Status.WARN, float.__lt__),
    )
    for limit, status, beyond in limits:
        if limit is not None and beyond(float(value), float(limit)):
            return replace(reading, unit=unit, status=status)
    return replace(reading, unit=unit, status=Status.OK)
