"""The lock on migrations: none runs before this window's backup is verified. Pure."""

from __future__ import annotations

from collections.abc import Collection

from optibid_console.action_plan import action_plan
from optibid_console.runbook.model import Action, Step, StepKind
from optibid_console.state import StepStatus, WindowState


def unbacked(state: WindowState, step: Step, backed: Collection[str] = ()) -> str:
    """Why this step may not migrate its database yet: this window has no verified backup of it,
    nor will one be among the databases in `backed`. Empty when it may."""
    if step.kind is not StepKind.MIGRATE or step.database in backed:
        return ""
    artifact = state.artifacts.get(step.database)
    known = state.databases.get(step.database)
    if artifact is not None and artifact.recorded.kind == "database":
        return ""
    if known is not None and known.overridden is not None:
        return ""
    steps = state.runbook.steps() if state.runbook else ()
    makes = [
        one.id for _, one in steps if one.kind is StepKind.BACKUP and one.database == step.database
    ]
    waived = makes and state.step(makes[0]).status is StepStatus.WAIVED
    where = f" (step {makes[0]}{', waived' if waived else ''})" if makes else ""
    return f"this window has no verified backup of {step.database}{where}"


def unbacked_words(action: Action) -> str:
    """What has to be typed so that it migrates without a backup."""
    return f"{action.confirm or action.id} without backup"


def no_way_back(step: Step) -> tuple[str, ...]:
    """What it costs to migrate without a backup."""
    return (f"without a backup nothing brings {step.database} back: what {step.id} changes stays",)


def migrates_unbacked(state: WindowState, action: Action) -> tuple[Step, str] | None:
    """The first step of the action that would migrate without a backup, and what is missing; a
    rehearsal migrates nothing."""
    if state.rehearsal:
        return None
    runbook = state.runbook
    backed: list[str] = []
    for planned in action_plan(state, action):
        step = runbook.step(planned.step_id) if runbook else None
        if step is None or not planned.included:
            continue
        if step.kind is StepKind.BACKUP:
            backed.append(step.database)
        why = unbacked(state, step, backed)
        if why:
            return step, why
    return None
