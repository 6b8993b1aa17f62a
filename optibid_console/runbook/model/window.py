"""`[window]` and `[environment]`: the deployment itself, and where `${NAME}` gets its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Stack(StrEnum):
    """Which of the checklist's alternatives (`Or …`) this deployment uses."""

    DOCKER_COMPOSE = "docker-compose"
    KUBERNETES = "kubernetes"
    SYSTEMD = "systemd"
    PM2 = "pm2"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Window:
    """`[window]`: the deployment itself."""

    name: str
    version: str
    stack: Stack = Stack.DOCKER_COMPOSE
    t0: str = ""
    """RFC 3339 moment or `HH:MM` (UTC) of T-0; empty: set at opening, now + the first offset."""
    baseline_until: str = ""
    """A phase's id: panels' baselines are the median of what was seen before it began."""
    speed: float = 1.0
    """How many clock seconds pass in one second: 1 in production."""
    bell: bool = True
    """Ring once when a criterion trips."""


@dataclass(frozen=True, slots=True)
class Environment:
    """`[environment]`: where `${NAME}` gets its values."""

    env_file: str = ""
    """A file of `NAME=value` lines, relative to config.toml; the process environment wins."""
    plain: tuple[str, ...] = ()
    """Names whose values may be shown, besides those in `defaults`. Every other one is a secret."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """NAME → its value where neither the environment nor the env file has one. A default can
    refer to names above it. These names are plain."""
