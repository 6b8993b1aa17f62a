"""Where commands run: this machine, SSH hosts and containers, behind one contract."""

from __future__ import annotations

from collections.abc import Mapping

from optibid_console.runbook.model import Runbook, TargetSpec
from optibid_console.targets.rehearsal import for_probes, rehearsed
from optibid_console.targets.target import LinkListener, Target
from probes.probe import Host

__all__ = ["open_targets", "unchanged", "without_link"]

LOCAL = "local"


def open_targets(
    runbook: Runbook,
    on_link: LinkListener,
    rehearsal: str = "",
    kept: Mapping[str, Target] | None = None,
) -> dict[str, Target]:
    """The runbook's targets by id, and always `local`. They connect when first used.

    `rehearsal`: the id of the window in which nothing may be changed; empty: it is real.
    `kept`: targets that are open already.

    `on_link` is called whenever a connection changes. Close each target at the end, those
    of kind `container` before the others: they use the connection of the machine they are on.
    """
    specs, open_already = _specs(runbook), kept or {}
    made: dict[str, Target] = {}
    hosts: dict[str, Host] = {name: for_probes(one) for name, one in open_already.items()}
    for spec in sorted(specs.values(), key=lambda one: one.kind == "container"):
        if spec.id not in open_already:
            hosts[spec.id] = made[spec.id] = _open(spec, on_link, hosts)
    if rehearsal:
        made = rehearsed(made, rehearsal)
    found = {**open_already, **made}
    return {name: found[name] for name in sorted(specs, key=lambda one: specs[one].kind)}


def unchanged(before: Runbook, after: Runbook) -> tuple[str, ...]:
    """Returns the ids of the targets that are the same in both runbooks, the machine that a
    container is on included."""
    old, new = _specs(before), _specs(after)
    same = {name for name in new if new[name] == old.get(name)}
    return tuple(name for name in new if name in same and new[name].on in ("", *same))


def _specs(runbook: Runbook) -> dict[str, TargetSpec]:
    return {LOCAL: TargetSpec(LOCAL, kind="local"), **runbook.targets}


def without_link(runbook: Runbook) -> tuple[str, ...]:
    """The ids of the targets that are always reached, of which no link is told."""
    here = (spec.id for spec in runbook.targets.values() if spec.kind == "local")
    return tuple(dict.fromkeys((LOCAL, *here)))


def _open(spec: TargetSpec, on_link: LinkListener, others: Mapping[str, Host]) -> Target:
    if spec.kind == "local":
        from optibid_console.targets.local import LocalTarget

        return LocalTarget(spec)
    if spec.kind == "ssh":
        from optibid_console.targets.ssh import SshTarget  # takes 150 ms: only when needed

        return SshTarget(spec, on_link)
    if spec.kind == "container":
        from optibid_console.targets.container import ContainerTarget

        on = others[spec.on] if spec.on else None
        return ContainerTarget(spec, on_link, on)
    raise ValueError(
        f"targets.{spec.id}.kind: no kind {spec.kind!r}; kinds are local, ssh, container"
    )
