"""`[probes]`, `[panels]`, `[tails]` and `[[criteria]]`: what is looked at, and what trips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optibid_console.runbook.model.window import Stack
from probes.probe import Seconds


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """`[probes.ID]`: something observed again and again; `settings` belong to its kind."""

    id: str
    kind: str
    title: str = ""
    on: str = ""
    """The target from which it looks; empty: from where the engine runs."""
    every: Seconds = Seconds(5)
    timeout: Seconds = Seconds(3)
    service: str = ""
    stack: tuple[Stack, ...] = ()
    brought_by: tuple[str, ...] = ()
    """The steps that bring what it looks for. After a rollback of them it isn't red where it
    doesn't find that: the rollback meant it."""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """`[panels.ID]`: a number with a history, read by a probe kind that gives a value."""

    id: str
    source: str
    """`prometheus` or `metrics` (a `/metrics` page read directly)."""
    title: str = ""
    on: str = ""
    unit: str = ""
    """`ms`, `s`, `ratio`, `percent`, `bytes`, `count`, `per_s`."""
    every: Seconds = Seconds(2)
    timeout: Seconds = Seconds(2)
    warn_above: float | None = None
    fail_above: float | None = None
    warn_below: float | None = None
    fail_below: float | None = None
    service: str = ""
    """The optional part that it reads: left out when that isn't in `[services]`."""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TailSpec:
    """`[tails.ID]`: a followed log."""

    id: str
    kind: str = "file"
    """`file` (`tail -F` on its target) or `container` (the Docker API)."""
    on: str = ""
    path: str = ""
    container: str = ""
    docker: str = ""
    """Docker's address for `kind = "container"`; empty: `DOCKER_HOST` or the usual socket."""
    service: str = ""
    stack: tuple[Stack, ...] = ()


@dataclass(frozen=True, slots=True)
class Criterion:
    """`[[criteria]]`: a rollback trigger."""

    id: str
    title: str
    fail_when: str = ""
    """`panel.errors > 0.05`, `panel.latency > 1.5 * baseline`, `probe.db is failing`;
    several with ` or `. Empty: a person asserts it."""
    hold_for: Seconds = Seconds(0)
    """How long it must hold. In config.toml the key is `for`."""
    stale_after: Seconds = Seconds(0)
    """Data older than this counts as missing: the verdict is inconclusive. Left out: as long as
    two readings and the timeout of what is judged take, so that one may be lost."""
    as_before: bool = False
    """What failed before the deployment in the same way doesn't trip it."""
    active_from: str = ""
    """A phase's id: before it has begun the criterion isn't judged."""
    service: str = ""
    """The optional part that measures it: without that in `[services]` a person asserts it."""
