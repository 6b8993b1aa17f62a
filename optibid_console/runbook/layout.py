"""A parsed config.toml → a `Runbook` with everything in it, all stacks and services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from optibid_console.codec import to_plain
from optibid_console.runbook.channels import Channel
from optibid_console.runbook.model import (
    CheckItem,
    CheckSection,
    Contact,
    Criterion,
    DatabaseSpec,
    Environment,
    PanelSpec,
    Phase,
    ProbeSpec,
    Runbook,
    TailSpec,
    TargetSpec,
)
from optibid_console.runbook.optional_parts import NEEDS
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems
from optibid_console.runbook.secrets import Secrets
from optibid_console.runbook.shape import Layout, keys_of, shape

SERVICES = (
    "redis", "kafka", "clickhouse", "mlflow", "minio",
    "metrics", "prometheus", "grafana", "verify-script", "smoke-tests",
)  # fmt: skip
"""What a deployment of OptiBid may lack, as `[services.NAME]` names it."""

LOCAL = "local"
"""The target that is always there: this machine."""

LAYOUT = Layout(
    renamed={(Criterion, "hold_for"): "for"},
    offsets=frozenset({(Phase, "at"), (Phase, "until")}),
    keyed={TargetSpec: "id", TailSpec: "id", Contact: "id", DatabaseSpec: "id", Channel: "id"},
)

_TOP = tuple(one.name for one in fields(Runbook))
_SHARED_WITH_SETTINGS = ("unit",)


class Registry(Protocol):
    """What the loader asks of `probes.registry`."""

    def kinds(self) -> tuple[str, ...]: ...

    def panel_sources(self) -> tuple[str, ...]: ...

    def tail_kinds(self) -> tuple[str, ...]: ...

    def settings_class(self, kind: str) -> type[Any]: ...


COMMON_KEYS: Mapping[str, frozenset[str]] = {
    section: frozenset(one.name for one in fields(kind)) - {"id", *settings}
    for section, kind, settings in (
        ("probes", ProbeSpec, ("settings",)),
        ("panels", PanelSpec, ("settings",)),
        ("tell", Channel, ("url", "headers", "body")),
    )
}
"""The keys of a probe's, panel's or channel's table that aren't settings: no secret in them."""


DATABASE_KEYS = frozenset(one.name for one in fields(DatabaseSpec)) - {"id", "password"}
"""The keys of a database's table that are shown to people."""


def environment_of(document: Mapping[str, Any], problems: Problems) -> Environment:
    """`[environment]`, which is needed before the rest can be read."""
    return shape(Environment, document.get("environment", {}), ("environment",), problems)


@dataclass(frozen=True, slots=True)
class Drafter:
    """Makes the runbook of a document, noting every problem of shape."""

    problems: Problems
    registry: Registry
    secrets: Secrets

    def runbook(self, document: Mapping[str, Any], environment: Environment) -> Runbook:
        """The whole runbook, with stand-ins for what can't be used."""
        separate = {"environment", "services", "probes", "panels", "targets", "checklist"}
        given = {
            "environment": environment,
            "services": self._services(document.get("services", {})),
            "targets": self._targets(document.get("targets", {})),
            "probes": self._observed(ProbeSpec, "kind", "probes", document.get("probes", {})),
            "panels": self._observed(PanelSpec, "source", "panels", document.get("panels", {})),
            "checklist": self._checklist(document.get("checklist", [])),
        }
        rest = {key: one for key, one in document.items() if key not in separate}
        for key in [key for key in rest if key not in _TOP]:
            self.problems.unknown_key((key,), rest.pop(key), _TOP)
        return shape(Runbook, rest, (), self.problems, LAYOUT, given)

    def _tables(self, section: str, tables: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
        if not isinstance(tables, Mapping):
            self.problems.add((section,), f"expected tables [{section}.NAME]", tables)
            return
        for name, table in tables.items():
            if isinstance(table, Mapping):
                yield name, table
            else:
                self.problems.add((section, name), f"expected a table [{section}.{name}]", table)

    def _services(self, tables: Any) -> tuple[str, ...]:
        names = []
        for name, table in self._tables("services", tables):
            names.append(name)
            if name not in SERVICES:
                self.problems.no_such(("services", name), "optional service", name, SERVICES)
            for key in table:
                if key != NEEDS:
                    self.problems.unknown_key(("services", name, key), table[key], (NEEDS,))
        return tuple(names)

    def _targets(self, tables: Any) -> dict[str, TargetSpec]:
        made = {LOCAL: TargetSpec(LOCAL, kind="local")}
        for name, table in self._tables("targets", tables):
            whole = {"kind": "local", **table} if name == LOCAL else table
            path = ("targets", name)
            made[name] = shape(TargetSpec, whole, path, self.problems, LAYOUT, {"id": name})
        return made

    def _observed(self, spec: Any, kind_key: str, section: str, tables: Any) -> dict[str, Any]:
        made = {}
        for name, table in self._tables(section, tables):
            path: KeyPath = (section, name)
            common = {key: one for key, one in table.items() if key in COMMON_KEYS[section]}
            kind = common.get(kind_key)
            accepted = (
                self.registry.kinds() if section == "probes" else self.registry.panel_sources()
            )
            settings: Any = {}
            if isinstance(kind, str) and kind in accepted:
                settings = self._settings(kind, table, section, path)
            elif isinstance(kind, str):
                self.problems.no_such((*path, kind_key), kind_key, kind, accepted)
            given = {"id": name, "settings": settings}
            made[name] = shape(spec, common, path, self.problems, LAYOUT, given)
        return made

    def _settings(self, kind: str, table: Mapping[str, Any], section: str, path: KeyPath) -> Any:
        settings_class = self.registry.settings_class(kind)
        common = COMMON_KEYS[section]
        keys = keys_of(settings_class, LAYOUT)
        shared = {key for key in _SHARED_WITH_SETTINGS if key in keys}
        own = {key: one for key, one in table.items() if key not in common or key in shared}
        before = len(self.problems.found)
        suggest = tuple(sorted(common))
        made = shape(settings_class, own, path, self.problems, LAYOUT, suggest=suggest)
        if len(self.problems.found) == before:
            self._judge(settings_class, own, path)
        plain: dict[str, Any] = to_plain(made)
        return plain

    def _judge(self, settings_class: type[Any], own: Mapping[str, Any], path: KeyPath) -> None:
        """Let the kind judge its settings as it will get them: with their secrets."""
        revealed = self.secrets.reveal_all(own)
        made = shape(settings_class, revealed, path, Problems(self.problems.file), LAYOUT)
        judge = getattr(made, "problems", None)
        for key, message in judge() if judge else ():
            where = (*path, *key.split(".")) if key else path
            self.problems.add(where, self.secrets.redact(message), own.get(key))

    def _checklist(self, sections: Any) -> tuple[CheckSection, ...]:
        if not isinstance(sections, list):
            self.problems.add(("checklist",), "expected tables [[checklist]]", sections)
            return ()
        return tuple(
            self._section(section, ("checklist", index)) for index, section in enumerate(sections)
        )

    def _section(self, section: Any, path: KeyPath) -> CheckSection:
        table = section if isinstance(section, Mapping) else {}
        items = table.get("items", [])
        made: list[CheckItem] = []
        if isinstance(items, list):
            for index, item in enumerate(items):
                derived = f"{table.get('id', '')}-{index + 1}"
                whole = {"text": item} if isinstance(item, str) else item
                if isinstance(whole, Mapping):
                    whole = {"id": derived, **whole}
                where = (*path, "items", index)
                made.append(shape(CheckItem, whole, where, self.problems, LAYOUT))
        else:
            self.problems.add((*path, "items"), "expected a list of items", items)
        given = {"items": tuple(made)}
        if isinstance(section, Mapping) and "items" not in section:
            self.problems.add((*path, "items"), "items is missing")
        rest = {key: one for key, one in table.items() if key != "items"}
        source = rest if isinstance(section, Mapping) else section
        return shape(CheckSection, source, path, self.problems, LAYOUT, given)
