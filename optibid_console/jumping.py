"""Going on from another step: what a jump skips, opens again or leaves as it was. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console.runbook.model import Step
from optibid_console.state import OVER, WindowState
from probes.text import counted


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a step."""

    skipped: tuple[str, ...] = ()
    """Open steps before it, none of them required."""
    again: tuple[str, ...] = ()
    """The step and those after it that were over: they are open again."""
    kept: tuple[str, ...] = ()
    """Steps before it that an earlier jump had opened again: they stay as they were."""
    refused: str = ""
    """Why there is none; empty: there is one."""


def route(state: WindowState, step_id: str) -> Route:
    """The way from where the window is to `step_id`."""
    runbook = state.runbook
    steps = [step for _, step in runbook.steps()] if runbook else []
    index = next((i for i, step in enumerate(steps) if step.id == step_id), -1)
    if index < 0:
        return Route(refused=f"no step {step_id!r} in the phases")
    if state.step(step_id).status in OVER:
        again = tuple(step.id for step in steps[index:] if state.step(step.id).status in OVER)
        return Route(again=again)
    between = [step for step in steps[:index] if state.step(step.id).status not in OVER]
    if not between:
        return Route(refused=f"{step_id} is where the window is already: run it")
    kept = tuple(step.id for step in between if state.step(step.id).was is not None)
    skipped = tuple(step.id for step in between if step.id not in kept)
    needed = [step for step in between if step.id in skipped and step.required]
    if needed and not state.rehearsal:
        return Route(refused=_in_the_way(needed))
    return Route(skipped=skipped, kept=kept)


def _in_the_way(needed: list[Step]) -> str:
    first, more = f"{needed[0].id} {needed[0].title}", len(needed) - 1
    if not more:
        return f"{first} comes first: it is required"
    return f"{first} and {counted(more, 'more required step')} come first"


def in_words(way: Route) -> str:
    """What the jump does, for a person."""
    said = [
        f"{', '.join(ids)} {what}"
        for ids, what in (
            (way.skipped, "skipped"),
            (way.again, "open to be run again"),
            (way.kept, "left as before"),
        )
        if ids
    ]
    return "; ".join(said)
