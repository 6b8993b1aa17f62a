"""Probes, panels and tails, each at its own pace, and what they say judged."""

from __future__ import annotations

import asyncio
import math
import re
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from optibid_console import entries as e
from optibid_console.action_plan import missing_facts
from optibid_console.as_before import health_of, usual
from optibid_console.codec import from_plain
from optibid_console.criteria import KEPT_SAMPLES, Sample
from optibid_console.engine.ledger import Ledger
from optibid_console.preflight import lamp_probes
from optibid_console.rehearsing import unknown_facts
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import PanelSpec, ProbeSpec
from optibid_console.runbook.secrets import Secrets
from optibid_console.runbook.shell_text import fill
from optibid_console.signals import Sampled
from optibid_console.state import WindowState
from optibid_console.targets.rehearsal import for_probes
from optibid_console.targets.target import Target
from probes import registry
from probes.error_words import bug_words, error_words
from probes.probe import HostError, KeepsSession, Probe, Reading, Status, take
from probes.text import one_line

LOG_IN_EVERY_S = 30.0
"""How often an SSH host that a lamp's probes look from is logged in to anew, at most."""
_LOG_IN_S = 5.0
"""What a log-in may take at least, whatever the probe's own timeout is."""


@dataclass(slots=True)
class Observed:
    """One probe or panel as the engine runs it."""

    subject: str
    """`probe` or `panel`."""
    spec: ProbeSpec | PanelSpec
    probe: Probe | None = None
    built_with: Mapping[str, str] = field(default_factory=dict)
    """The facts that it was built with."""
    lamp: bool = False
    """An action's readiness rests on it: each reading logs in anew."""
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    said: tuple[Status, bool] | None = None
    """The status of its last reading, and whether there was no answer."""

    @property
    def kind(self) -> str:
        return self.spec.source if isinstance(self.spec, PanelSpec) else self.spec.kind


class Observers:
    """Takes every reading; tells it, keeps its history, records changes of status."""

    def __init__(self, loaded: Loaded, targets: Mapping[str, Target], ledger: Ledger) -> None:
        self.history: dict[tuple[str, str], deque[Sample]] = {}
        self._secrets = loaded.secrets
        self._targets = targets
        self._ledger = ledger
        runbook = loaded.runbook
        lamps = lamp_probes(runbook)
        self._probes = {
            one.id: Observed("probe", one, lamp=one.id in lamps) for one in runbook.probes.values()
        }
        self._panels = {one.id: Observed("panel", one) for one in runbook.panels.values()}

    async def run(self) -> None:
        """Observe until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for observed in (*self._probes.values(), *self._panels.values()):
                    group.create_task(self._again_and_again(observed))
        finally:
            await self.close()

    async def take_now(self, probe_id: str) -> Reading:
        """A fresh reading of a probe, at once."""
        return await self._take(self._probes[probe_id])

    async def take_anew(self, probe_id: str, within_s: float) -> Reading | None:
        """A reading for which every log-in is made now, and which waits for no journal; None when
        `within_s`, which is less than the probe's own timeout, was too short for it."""
        observed = self._probes[probe_id]
        loop = asyncio.get_running_loop()
        since, ends = time.monotonic(), loop.time() + within_s
        try:
            async with asyncio.timeout_at(ends):
                await observed.busy.acquire()
        except TimeoutError:
            return None  # a reading is under way that may have logged in before
        try:
            limit_s, own_s = max(ends - loop.time(), 0.1), float(observed.spec.timeout)
            given_s = min(own_s, limit_s)
            reading, shut_out = await self._reading(observed, given_s, since, limit_s)
        finally:
            observed.busy.release()
        if limit_s < own_s and reading.took_ms >= limit_s * 900 and not shut_out:
            return None
        if self._note(observed, reading):
            await self._ledger.keep_soon(e.ProbeChanged(reading, observed.subject))
        return reading

    def last(self, probe_id: str) -> Sample | None:
        """What a probe said last; None: nothing yet."""
        samples = self.history.get(("probe", probe_id))
        return samples[-1] if samples else None

    def waits_for(self, probe_id: str) -> tuple[str, ...]:
        """The facts without which this probe can't be read yet."""
        return self._missing(self._probes[probe_id])

    def baseline(self, until: float) -> dict[str, float]:
        """Returns panel id → the median of its values whose measurement ended before `until`
        (epoch seconds)."""
        values = {}
        for (subject, panel_id), samples in self.history.items():
            known = [one.value for one in samples if one.value is not None and one.ended_at < until]
            if subject == "panel" and known:
                values[panel_id] = median(known)
        return values

    def usual_health(self, until: float) -> dict[str, str]:
        """Returns probe id → its usual health in readings that ended before `until` (epoch
        seconds)."""
        found = {}
        for (subject, probe_id), samples in self.history.items():
            health = usual(
                health_of(one.status, one.away) for one in samples if one.ended_at < until
            )
            if subject == "probe" and health is not None:
                found[probe_id] = health.word
        return found

    async def close(self) -> None:
        for observed in (*self._probes.values(), *self._panels.values()):
            if observed.probe is not None:
                await observed.probe.close()
                observed.probe = None

    async def _again_and_again(self, observed: Observed) -> None:
        """At once, then at a fixed pace that doesn't drift, each at a moment of its own within its
        period; a beat that was missed isn't made up for."""
        loop = asyncio.get_running_loop()
        every_s = float(observed.spec.every)
        due = loop.time() - every_s + phase_s(observed.spec)
        while True:
            if not self._missing(observed):
                await self._take(observed)
            due += every_s
            now = loop.time()
            if due < now:
                due = now + every_s - (now - due) % every_s
            await asyncio.sleep(due - loop.time())

    async def _take(self, observed: Observed) -> Reading:
        own_s = float(observed.spec.timeout)
        async with observed.busy:
            missing = self._missing(observed)
            if missing:
                summary = f"{', '.join(missing)} isn't recorded yet"
                return Reading(observed.spec.id, Status.ERROR, summary, time.time(), 0.0)
            since = time.monotonic() - LOG_IN_EVERY_S
            reading, _ = await self._reading(observed, own_s, since, max(own_s, _LOG_IN_S))
        if self._note(observed, reading):
            await self._ledger.keep(e.ProbeChanged(reading, observed.subject))
        return reading

    async def _reading(
        self, observed: Observed, timeout_s: float, since: float, log_in_s: float
    ) -> tuple[Reading, str]:
        """A reading without secrets, and why the SSH host that a lamp's probe looks from lets no
        new connection in, or empty.

        A lamp's probe keeps no session. A log-in on its host counts when it was begun at `since`
        (`time.monotonic()`) or later; a new one may take `log_in_s`.
        """
        try:
            probe = await self._built(observed)
        except Exception as error:  # a kind's bug must not end the engine; it is shown instead
            said = one_line(f"can't be measured: {error_words(error)}", 200)
            reading = Reading(observed.spec.id, Status.ERROR, said, time.time(), 0.0)
            return self._clean(observed, reading), ""
        if not observed.lamp:
            return self._clean(observed, await take(probe, timeout_s)), ""
        try:
            reading, shut_out = await asyncio.gather(
                take(probe, timeout_s), self._shut_out(observed.spec.on, since, log_in_s)
            )
        finally:
            if isinstance(probe, KeepsSession):
                await probe.log_out()
        return self._clean(observed, without_log_in(reading, shut_out)), shut_out

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

    def _missing(self, observed: Observed) -> tuple[str, ...]:
        return unknown_facts(self._ledger.state, _all_text(observed.spec.settings))

    async def _built(self, observed: Observed) -> Probe:
        facts = _facts_used(self._ledger.state, observed.spec.settings)
        if observed.probe is not None and observed.built_with == facts:
            return observed.probe
        if observed.probe is not None:
            await observed.probe.close()
        observed.probe = build(
            observed.kind, observed.spec, self._secrets, self._targets, self._ledger.state.facts
        )
        observed.built_with = facts
        return observed.probe

    def _clean(self, observed: Observed, reading: Reading) -> Reading:
        summary = self._secrets.redact(reading.summary)
        detail = {key: self._secrets.redact(value) for key, value in reading.detail.items()}
        reading = replace(reading, summary=summary, detail=detail)
        if reading.value is not None and not math.isfinite(reading.value):
            reading = replace(reading, value=None, status=Status.ERROR)
        if isinstance(observed.spec, PanelSpec):
            return against_thresholds(observed.spec, reading)
        return reading

    def _note(self, observed: Observed, reading: Reading) -> bool:
        """Tell a reading and keep it; whether it says anything else than the one before."""
        key = (observed.subject, observed.spec.id)
        samples = self.history.setdefault(key, deque(maxlen=KEPT_SAMPLES))
        summary, away = reading.summary, reading.away
        took_s = reading.took_ms / 1000
        samples.append(
            Sample(reading.at, reading.status, reading.value, reading.unit, summary, away, took_s)
        )
        self._ledger.signal(Sampled(observed.subject, reading))
        said = (reading.status, reading.away)
        changed, observed.said = said != observed.said, said
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


def build(
    kind: str,
    spec: ProbeSpec | PanelSpec,
    secrets: Secrets,
    targets: Mapping[str, Target],
    facts: Mapping[str, str],
) -> Probe:
    """The probe of a runbook's table, with its secrets revealed and its facts filled in.

    Raises `ValueError` when a fact can't be put where it stands.
    """
    settings = _filled(spec.settings, facts)
    command = settings.get("run")
    given = secrets.reveal_all({key: one for key, one in settings.items() if key != "run"})
    if isinstance(command, str):
        env = {**given.get("env", {}), **secrets.env_for(command)}
        given = {**given, "run": command, "env": env}
    on = spec.on or ("local" if command else "")
    host = for_probes(targets[on]) if on else None
    return registry.build(kind, spec.id, from_plain(registry.settings_class(kind), given), host)


def build_probes(
    loaded: Loaded, targets: Mapping[str, Target], facts: Mapping[str, str]
) -> dict[str, tuple[ProbeSpec, Probe]]:
    """Every probe of a runbook that needs no fact that `facts` doesn't have."""
    state = WindowState(facts=facts)
    return {
        spec.id: (spec, build(spec.kind, spec, loaded.secrets, targets, facts))
        for spec in loaded.runbook.probes.values()
        if not missing_facts(state, _all_text(spec.settings))
    }


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


_DOTTED = re.compile(r"\$\{([a-z][\w-]*(?:\.[\w-]+)+)\}")


def _filled(settings: Mapping[str, Any], facts: Mapping[str, str]) -> dict[str, Any]:
    """The settings with known facts: quoted in shell text, plainly elsewhere."""
    filled = {}
    for key, value in settings.items():
        if key == "run" and isinstance(value, str):
            filled[key] = fill(value, facts)
        else:
            filled[key] = _fill_plain(value, facts)
    return filled


def _fill_plain(value: Any, facts: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _DOTTED.sub(lambda found: facts.get(found[1], found[0]), value)
    if isinstance(value, Mapping):
        return {key: _fill_plain(one, facts) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_fill_plain(one, facts) for one in value]
    return value


def _all_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(_all_text(one) for one in value.values())
    if isinstance(value, list | tuple):
        return "\n".join(_all_text(one) for one in value)
    return ""


def _facts_used(state: WindowState, settings: Mapping[str, Any]) -> dict[str, str]:
    names = _DOTTED.findall(_all_text(settings))
    return {name: state.facts[name] for name in names if name in state.facts}
