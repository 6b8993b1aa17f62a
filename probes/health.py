"""OptiBid's `/health`: the health is in the body, whatever the HTTP status says.

`status` must be `healthy`; `degraded` is a warning; anything else fails. `services` maps
a name to a text or to a table with a `status` of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from probes.expectation import MISSING, Finding, at_path, shown
from probes.probe import Status

WELL = (
    *("healthy", "ok", "up", "connected", "available", "running", "ready", "active"),
    *("operational", "disabled", "not_configured"),
)
"""What a service says of itself when there is nothing to do about it."""


def judge_health(document: object) -> list[Finding]:
    """What a `/health` answer says: its status, and every service that isn't well."""
    status = at_path(document, "status")
    ailing = sorted(_ailing(at_path(document, "services")))
    expected = '"healthy"'
    found = shown(status)
    reason = at_path(document, "error")
    if isinstance(reason, str):
        found += f" ({shown(reason)})"
    if ailing:
        found += f", not well: {', '.join(name for name, _ in ailing)}"
    verdict = {"healthy": Status.OK, "degraded": Status.WARN}.get(
        status if isinstance(status, str) else "", Status.FAILING
    )
    overall = Finding(verdict, "status", expected, found)
    if not ailing:
        return [overall]
    # Its own word decides; a service that ails while all is "healthy" is worth a look.
    if verdict is Status.OK:
        overall = Finding(Status.WARN, "status", f"{expected} and all services well", found)
    return [
        overall,
        *(Finding(Status.WARN, f"service {name}", "well", said) for name, said in ailing),
    ]


def _ailing(services: object) -> list[tuple[str, str]]:
    if not isinstance(services, Mapping):
        return []
    return [
        (str(name)[:40], shown(said))
        for name, service in list(services.items())[:100]
        if not _well(said := _word(service))
    ]


def _word(service: object) -> object:
    if isinstance(service, Mapping):
        status = at_path(service, "status")
        return "no status" if status is MISSING else status
    return service


def _well(said: object) -> bool:
    return said is True or (isinstance(said, str) and said.lower() in WELL)
