"""Probes made of the runbook's tables: their secrets revealed, their facts filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from optibid_console.action_plan import missing_facts
from optibid_console.codec import from_plain
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import PanelSpec, ProbeSpec
from optibid_console.runbook.secrets import Secrets
from optibid_console.runbook.shell_text import fill
from optibid_console.state import WindowState
from optibid_console.targets.rehearsal import for_probes
from optibid_console.targets.target import Target
from probes import registry
from probes.probe import Probe


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
        if not missing_facts(state, all_text(spec.settings))
    }


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


def all_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(all_text(one) for one in value.values())
    if isinstance(value, list | tuple):
        return "\n".join(all_text(one) for one in value)
    return ""


def facts_used(state: WindowState, settings: Mapping[str, Any]) -> dict[str, str]:
    names = _DOTTED.findall(all_text(settings))
    return {name: state.facts[name] for name in names if name in state.facts}
