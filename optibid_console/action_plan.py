"""What an action would do, computed from the journal. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from optibid_console.again import again_steps
from optibid_console.runbook.facts import recorded_by
from optibid_console.runbook.model import FORWARD, Action, Runbook, Step, StepKind
from optibid_console.state import OVER, DatabaseState, StepStatus, WindowState
from optibid_console.undone import begun_since_undone

_FACT = re.compile(r"\$\{([a-z][\w-]*(?:\.[\w-]+)+)\}")


@dataclass(frozen=True, slots=True)
class PreviewStep:
    """A step as an action would do it."""

    step_id: str
    title: str
    target: str
    command: str
    """As it will be run; secrets as `${NAME}`."""
    included: bool
    because: str
    """Why it is done or left out."""
    kind: StepKind = StepKind.RUN


def missing_facts(state: WindowState, text: str) -> tuple[str, ...]:
    """The facts that a command or a setting names and nobody has recorded yet."""
    return tuple(dict.fromkeys(one for one in _FACT.findall(text) if one not in state.facts))


def shown(state: WindowState, text: str) -> str:
    """A command as it will be run, as far as its facts are known."""
    return _FACT.sub(lambda found: state.facts.get(found[1], found[0]), text)


def told(state: WindowState, text: str) -> str:
    """A text for people with its facts filled in; one that isn't known yet says so."""
    return _FACT.sub(lambda found: state.facts.get(found[1], f"({found[1]}: not recorded)"), text)


def action_plan(state: WindowState, action: Action) -> tuple[PreviewStep, ...]:
    """The action's steps, each with whether it would be done and why.

    Computed from the journal: a step that undoes others is done when one of them was
    begun in this window and not undone since; nothing else is touched. In a rehearsal the
    steps that were walked count as begun; where none was, as if all had been. `forward` does
    the steps that were done and that a rollback has undone since, and no other.
    """
    runbook = state.runbook
    if runbook is None:
        return ()
    steps = runbook.action_steps(action)
    again = again_steps(state, action)
    if again:
        return tuple(_once_more(state, step, again) for step in steps)
    if not action.steps:
        of_phase = _to_redo if action.id == FORWARD else _of_phase
        return tuple(of_phase(state, step) for step in steps)
    undoes = [step for step in steps if step.undoes]
    nothing = bool(undoes) and not any(_begun(state, action, step) for step in undoes)
    return tuple(_of_action(state, action, step, nothing) for step in steps)


def _of_phase(state: WindowState, step: Step) -> PreviewStep:
    seen = state.step(step.id)
    included = seen.status not in OVER
    because = "not done yet" if included else f"{seen.status.value} already"
    if seen.status is StepStatus.UNDONE:
        because = f"undone by {seen.undone_by}"
    return _preview_step(state, step, included, because)


def _once_more(state: WindowState, step: Step, again: tuple[str, ...]) -> PreviewStep:
    """Of a step of a second backup."""
    done = datetime.fromtimestamp(state.step(step.id).finished_at, UTC).strftime("%H:%M:%SZ")
    if step.id in again:
        return _preview_step(state, step, True, f"again: done at {done}")
    return _preview_step(state, step, False, f"{state.step(step.id).status.value} already")


def _to_redo(state: WindowState, step: Step) -> PreviewStep:
    """Of a step of `forward`: a rollback has undone it, and it wasn't done again since."""
    seen = state.step(step.id)
    if state.rehearsal:
        return _preview_step(state, step, True, "as if a rollback had undone it")
    if not seen.undone_by:
        return _preview_step(state, step, False, "no rollback has undone it")
    if seen.status in OVER:
        return _preview_step(state, step, False, f"{seen.status.value} since it was undone")
    return _preview_step(state, step, True, f"undone by {seen.undone_by}")


def _of_action(state: WindowState, action: Action, step: Step, nothing: bool) -> PreviewStep:
    if nothing and state.rehearsal:
        done = f"as if {', '.join(step.undoes)} had been done" if step.undoes else "always"
        return _preview_step(state, step, True, done)
    if nothing:
        return _preview_step(
            state, step, False, "nothing was done in this window that it would undo"
        )
    if not step.undoes:
        return _preview_step(state, step, True, "always")
    begun = _begun(state, action, step)
    if begun and step.kind is StepKind.RESTORE:
        return _of_restore(state, step, begun)
    if begun:
        return _preview_step(state, step, True, f"undoes {', '.join(begun)}")
    return _preview_step(state, step, False, f"{', '.join(step.undoes)} was not done")


def _of_restore(state: WindowState, step: Step, begun: tuple[str, ...]) -> PreviewStep:
    """A restore is done for what was really applied, not for what was tried."""
    known = state.databases.get(step.database, DatabaseState())
    steps = [state.runbook.step(one) for one in begun] if state.runbook else []
    if any(one is not None and one.kind is not StepKind.MIGRATE for one in steps):
        return _preview_step(state, step, True, f"undoes {', '.join(begun)}")
    why = known.to_restore
    if why and step.database not in state.artifacts:
        because = f"{why}, and this window has no backup of {step.database}: it stays as it is"
        return _preview_step(state, step, False, because)
    if why:
        return _preview_step(state, step, True, why)
    if known.restored is not None:
        moment = datetime.fromtimestamp(known.restored_at, UTC).strftime("%H:%M:%SZ")
        return _preview_step(state, step, False, f"{step.database} was restored at {moment}")
    because = f"code only: no migration of {step.database} was applied in this window"
    return _preview_step(state, step, False, because)


def _preview_step(state: WindowState, step: Step, included: bool, because: str) -> PreviewStep:
    command = shown(state, step.run)
    if step.kind is StepKind.WAIT:
        command = f"wait until {', '.join(step.wait_for)} read ok, at most {step.timeout:g} s"
    elif step.kind is StepKind.MANUAL:
        command = step.note or "a person confirms it"
    return PreviewStep(step.id, step.title, step.on, command, included, because, step.kind)


def _begun(state: WindowState, action: Action, step: Step) -> tuple[str, ...]:
    return begun_since_undone(state, action.id, step.undoes)


def facts_named(text: str) -> tuple[str, ...]:
    """The facts that a command or a setting names, recorded or not."""
    return tuple(dict.fromkeys(_FACT.findall(text)))


def not_recorded(state: WindowState, name: str) -> str:
    """That a fact is missing, and which step records it: `no backup.path yet (1.2a)`."""
    book = state.runbook
    steps = book.steps() if book else ()
    by = next((step.id for _, step in steps if book and name in recorded_by(step)), "")
    waived = ", waived" if by and state.step(by).status is StepStatus.WAIVED else ""
    return f"no {name} yet ({by}{waived})" if by else f"no {name} yet"


def facts_missing(state: WindowState, action: Action) -> tuple[str, ...]:
    """The facts that the steps to be done name, and that nothing before them records.

    None in a rehearsal: there something stands in for each."""
    runbook = state.runbook
    if runbook is None or state.rehearsal:
        return ()
    included = [one.step_id for one in action_plan(state, action) if one.included]
    steps = [step for one in included if (step := runbook.step(one)) is not None]
    return _unrecorded(state, runbook, steps)


def facts_needed(state: WindowState, action: Action) -> tuple[str, ...]:
    """The facts that nobody has recorded yet and without which the action can't be ready:
    its `needs_facts`, and those that its own commands name, whatever there is to do now."""
    named = tuple(one for one in action.needs_facts if one not in state.facts)
    if state.runbook is None or state.rehearsal:
        return named
    commands = [step for step in action.steps if step.kind is StepKind.RUN]
    return tuple(dict.fromkeys((*named, *_unrecorded(state, state.runbook, commands))))


def _unrecorded(state: WindowState, runbook: Runbook, steps: Iterable[Step]) -> tuple[str, ...]:
    """The facts that these steps name, and that nobody has recorded and none before them will."""
    known: set[str] = set()
    missing: list[str] = []
    for step in steps:
        missing += [one for one in missing_facts(state, step.run) if one not in known]
        known |= set(recorded_by(step))
    return tuple(dict.fromkeys(missing))
