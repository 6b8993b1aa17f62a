"""Where commands run: this machine and SSH hosts, behind one contract."""

from __future__ import annotations

from optibid_console.runbook.model import Runbook, TargetSpec
from optibid_console.targets.target import LinkListener, Target

__all__ = ["open_targets"]

LOCAL = "local"


def open_targets(runbook: Runbook, on_link: LinkListener) -> dict[str, Target]:
    """The runbook's targets by id, and always `local`. They connect when first used.

    `on_link` is called whenever a connection changes. Close each target at the end.
    """
    specs = {LOCAL: TargetSpec(LOCAL, kind="local"), **runbook.targets}
    return {name: _open(spec, on_link) for name, spec in specs.items()}


def _open(spec: TargetSpec, on_link: LinkListener) -> Target:
    if spec.kind == "local":
        from optibid_console.targets.local import LocalTarget

        return LocalTarget(spec.id, spec.run_dir, spec.cwd)
    if spec.kind == "ssh":
        from optibid_console.targets.ssh import SshTarget  # takes 150 ms: only when needed

        return SshTarget(spec, on_link)
    raise ValueError(f"targets.{spec.id}.kind: no kind {spec.kind!r}; kinds are local, ssh")
