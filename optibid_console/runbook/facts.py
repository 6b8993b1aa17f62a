"""The facts that a window comes to know, and whether those a runbook uses are among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from optibid_console.backup_facts import backup_prefixes
from optibid_console.runbook.checks.channels import check_message_facts, is_message
from optibid_console.runbook.model import Runbook, Step, StepKind
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems

BUILT_IN = ("window.id", "window.stamp", "window.version")
"""Facts of every window, known when it is opened."""

RECORDED_AT = ".at"
"""`${backup.path.at}`: when the fact `backup.path` was recorded."""

_OF_A_BACKUP = ("path", "sha256", "size", "database_size")
_BEFORE_ANY_WINDOW = ("window", "environment", "targets", "tails", "services", "keys")


def check_facts(
    chosen: Runbook,
    whole: Runbook,
    used: Iterable[tuple[str, KeyPath]],
    left_out: Callable[[KeyPath], bool],
    problems: Problems,
) -> None:
    """Note each use of a fact that no step of the `chosen` stack and services records.

    What is left out itself may use a fact that only a left-out step records.
    """
    known = (*BUILT_IN, *_recorded(chosen))
    elsewhere = set(_recorded(whole))
    for index, action in enumerate(whole.actions):
        used = [*used, *((name, ("actions", index, "needs_facts")) for name in action.needs_facts)]
    said = [(name, path) for name, path in used if is_message(path)]
    check_message_facts(chosen, said, known, problems)
    for full_name, path in used:
        if is_message(path):
            continue
        name = full_name if full_name in known else full_name.removesuffix(RECORDED_AT)
        if path[0] in _BEFORE_ANY_WINDOW:
            message = f"${{{name}}} is known only in a window, and this is read before it"
            problems.add(path, message, name)
        elif name not in known and name in elsewhere:
            stack = chosen.window.stack.value
            message = f'no step records "{name}" on stack "{stack}" with these services'
            if not left_out(path):
                problems.add(path, message, name)
        elif name not in known:
            problems.no_such(path, "recorded fact", name, known)


def recorded_by(step: Step) -> tuple[str, ...]:
    """The facts that a step records when it has succeeded."""
    facts = [step.record] if step.record else []
    if step.artifact == "files":
        facts.append(f"{step.record}.sha256")
    if step.kind is StepKind.BACKUP:
        prefixes = backup_prefixes(step.database)
        facts += [f"{one}.{part}" for one in prefixes for part in _OF_A_BACKUP]
    return tuple(facts)


def _recorded(runbook: Runbook) -> tuple[str, ...]:
    steps = [
        *(step for _, step in runbook.steps()),
        *(step for action in runbook.actions for step in action.steps),
    ]
    return tuple(dict.fromkeys(fact for step in steps for fact in recorded_by(step)))
