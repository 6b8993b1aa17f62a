"""Where commands run: this machine, SSH hosts and containers, behind one contract."""

from __future__ import annotations

from collections.abc import Mapping

from optibid_console.runbook.model import Runbook, TargetSpec
from optibid_console.targets.target import LinkListener, Target

__all__ = ["open_targets", "without_link"]

LOCAL = "local"


def open_targets(runbook: Runbook, on_link: LinkListener) -> dict[str, Target]:
    """The runbook's targets by id, and always `local`. They connect when first used.

    `on_link` is called whenever a connection changes. Close each target at the end, those
    of kind `container` before the others: they use the connection of the machine they are on.
    """
    specs = {LOCAL: TargetSpec(LOCAL, kind="local"), **runbook.targets}
    made: dict[str, Target] = {}
    for spec in sorted(specs.values(), key=lambda one: one.kind == "container"):
        made[spec.id] = _open(spec, on_link, made)
    return {name: made[name] for name in sorted(specs, key=lambda one: specs[one].kind)}


def without_link(runbook: Runbook) -> tuple[str, ...]:
    """The ids of the targets that are always reached, of which no link is told."""
    here = (spec.id for spec in runbook.targets.values() if spec.kind == "local")
    return tuple(dict.fromkeys((LOCAL, *here)))


def _open(spec: TargetSpec, on_link: LinkListener, others: Mapping[str, Target]) -> Target:
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
