"""Which kinds of probes and tails there are, and where each one's class is.

A kind is one line here. Nothing is imported until a runbook uses the kind, so that a
command pays only for the libraries that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from probes.probe import Host, Probe, Tail

PROBES: Mapping[str, str] = {
    "http": "probes.http:HttpProbe",
    "websocket": "probes.websocket:WebSocketProbe",
    "postgres": "probes.postgres:PostgresProbe",
    "command": "probes.command:CommandProbe",
    "container": "probes.container:ContainerProbe",
    "prometheus": "probes.prometheus:PrometheusProbe",
    "metrics": "probes.metrics_page:MetricsProbe",
}

PANELS = ("prometheus", "metrics", "postgres", "command")
"""The kinds whose readings carry a value worth a panel."""

TAILS: Mapping[str, str] = {
    "file": "probes.tails.file:FileTail",
    "container": "probes.tails.container:ContainerTail",
}


def kinds() -> tuple[str, ...]:
    """The kinds that a `[probes.NAME]` table may have."""
    return tuple(PROBES)


def panel_sources() -> tuple[str, ...]:
    """The kinds that a `[panels.NAME]` table may have as its source."""
    return PANELS


def tail_kinds() -> tuple[str, ...]:
    """The kinds that a `[tails.NAME]` table may have."""
    return tuple(TAILS)


def settings_class(kind: str) -> type:
    """The frozen dataclass of a probe kind's settings. Raises `KeyError` for an unknown kind."""
    return cast(type, _load(PROBES[kind]).Settings)


def tail_settings_class(kind: str) -> type:
    """The frozen dataclass of a tail kind's settings. Raises `KeyError` for an unknown kind."""
    return cast(type, _load(TAILS[kind]).Settings)


def build(kind: str, name: str, settings: object, host: Host | None) -> Probe:
    """The probe `name`, which measures from `host`, or from here when that is None."""
    return cast(Probe, _load(PROBES[kind])(name, settings, host))


def build_tail(kind: str, name: str, settings: object, host: Host | None) -> Tail:
    """The tail `name`, which follows a log on `host`, or here when that is None."""
    return cast(Tail, _load(TAILS[kind])(name, settings, host))


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
