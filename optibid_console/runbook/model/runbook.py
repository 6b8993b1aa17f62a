"""The whole `config.toml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from optibid_console.runbook.channels import Channel, Template
from optibid_console.runbook.model.observed import Criterion, PanelSpec, ProbeSpec, TailSpec
from optibid_console.runbook.model.people import CheckItem, CheckSection, Contact, Rung
from optibid_console.runbook.model.steps import Action, Phase, Step
from optibid_console.runbook.model.targets import DatabaseSpec, TargetSpec
from optibid_console.runbook.model.window import Environment, Window


@dataclass(frozen=True, slots=True)
class Runbook:
    """A whole `config.toml`, with the alternatives that this deployment doesn't use left out."""

    window: Window
    environment: Environment = field(default_factory=Environment)
    services: tuple[str, ...] = ()
    targets: Mapping[str, TargetSpec] = field(default_factory=dict)
    databases: Mapping[str, DatabaseSpec] = field(default_factory=dict)
    probes: Mapping[str, ProbeSpec] = field(default_factory=dict)
    panels: Mapping[str, PanelSpec] = field(default_factory=dict)
    tails: Mapping[str, TailSpec] = field(default_factory=dict)
    phases: tuple[Phase, ...] = ()
    actions: tuple[Action, ...] = ()
    checklist: tuple[CheckSection, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    escalation: tuple[Rung, ...] = ()
    signoffs: tuple[str, ...] = ()
    """Roles that vote in a go/no-go poll."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """`[keys]`: another key for a console command: `rollback = "f9"`."""
    tell: Mapping[str, Channel] = field(default_factory=dict)
    """`[tell.ID]`: where people are told what happens."""
    tell_templates: Mapping[str, Template] = field(default_factory=dict)
    """`[tell_templates.EVENT]`: other words for the messages."""

    def steps(self) -> Iterator[tuple[Phase, Step]]:
        """Every step of every phase, in order."""
        for phase in self.phases:
            for step in phase.steps:
                yield phase, step

    def step(self, step_id: str) -> Step | None:
        """The step with this id, in a phase or an action."""
        for _, step in self.steps():
            if step.id == step_id:
                return step
        for action in self.actions:
            for step in action.steps:
                if step.id == step_id:
                    return step
        return None

    def phase_of(self, step_id: str) -> Phase | None:
        for phase, step in self.steps():
            if step.id == step_id:
                return phase
        return None

    def action(self, action_id: str) -> Action | None:
        return next((one for one in self.actions if one.id == action_id), None)

    def action_steps(self, action: Action) -> tuple[Step, ...]:
        """The steps that an action may run: its own, or the phases' that it uses."""
        if action.steps:
            return action.steps
        found = (self.step(step_id) for step_id in action.uses)
        return tuple(step for step in found if step is not None)

    def item(self, item_id: str) -> CheckItem | None:
        for section in self.checklist:
            for item in section.items:
                if item.id == item_id:
                    return item
        return None

    def criterion(self, criterion_id: str) -> Criterion | None:
        return next((one for one in self.criteria if one.id == criterion_id), None)
