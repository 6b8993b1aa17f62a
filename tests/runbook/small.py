"""A small runbook that holds together, and kinds of probes that need no library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from probes.probe import Seconds

WHOLE = """\
[window]
name = "OptiBid"
version = "${RELEASE}"
stack = "docker-compose"
baseline_until = "deploy"

[environment]
plain = ["RELEASE", "PORT"]

[services.redis]

[targets.app-1]
kind = "ssh"
host = "app-1.example"

[probes.health]
kind = "http"
url = "http://localhost:8000/health"
port = "${PORT}"
password = "${DB_PASSWORD}"

[probes.cache]
kind = "http"
url = "http://localhost:1"
service = "redis"

[panels.errors]
source = "metrics"
metric = "http_requests_total"
unit = "ratio"

[tails.backend]
on = "app-1"
path = "/var/log/backend.log"

[[phases]]
id = "prepare"
title = "Prepare"
at = "T-60m"

[[phases.steps]]
id = "1.1a"
title = "Back up"
on = "app-1"
run = "pg_dump --password ${DB_PASSWORD} > ${RELEASE}_${window.stamp}"
record = "backup.path"
evidence = ["health", "cache"]

[[phases]]
id = "deploy"
title = "Deploy"
at = "T+0"
until = "T+1h"

[[phases.steps]]
id = "2.1a"
title = "Wait"
kind = "wait"
wait_for = ["health"]

[[phases.steps]]
id = "2.1b"
title = "Look"
kind = "manual"

[[actions]]
id = "rollback"
title = "Roll back"
key = "R"
needs_facts = ["backup.path"]
ready_when = ["health"]
costs = "back to ${backup.path}"

[[actions.steps]]
id = "r1"
title = "Restore"
on = "local"
run = "restore ${backup.path}"
undoes = ["1.1a"]

[[checklist]]
id = "db"
title = "Database"
group = "Checks"
phase = "prepare"
items = ["Backed up", { text = "Healthy", probe = "health" }]

[[criteria]]
id = "error-rate"
title = "Errors"
fail_when = "panel.errors > 0.05 or probe.health is failing"
for = "30s"
active_from = "deploy"

[contacts.primary]
role = "On call"

[[escalation]]
after = "15m"
action = "Call"
contact = "primary"
"""
ENVIRON = {"RELEASE": "v2.4.0", "PORT": "8000", "DB_PASSWORD": "correct-horse"}


@dataclass(frozen=True, slots=True)
class Expect:
    status: int = 200
    text: str = ""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    url: str
    port: int = 0
    password: str = ""
    wait: Seconds = Seconds(1)
    headers: Mapping[str, str] = field(default_factory=dict)
    expect: Expect = Expect()

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.url.startswith("http"):
            yield "url", f"not a web address: {self.url}"
        if self.password and len(self.password) < 5:
            yield "password", f"{self.password} is too short"


@dataclass(frozen=True, slots=True)
class CommandSettings:
    run: str
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    metric: str
    unit: str = ""


class Kinds:
    """Kinds of probes that need no library."""

    def kinds(self) -> tuple[str, ...]:
        return ("http", "command")

    def panel_sources(self) -> tuple[str, ...]:
        return ("metrics",)

    def tail_kinds(self) -> tuple[str, ...]:
        return ("file", "container")

    def settings_class(self, kind: str) -> type[Any]:
        return {"http": HttpSettings, "command": CommandSettings, "metrics": MetricsSettings}[kind]
