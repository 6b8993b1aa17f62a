"""What a console that was cut off did by itself, in words. Pure."""

from __future__ import annotations

import json
import time

from optibid_console import entries as e


def in_words(fact: e.SpillDelivered) -> str:
    """One sentence: who, where, when, what was started and how it ended."""
    did: list[str] = []
    for line in fact.entries:
        try:
            entry = e.entry_from_plain(json.loads(line))
        except (ValueError, TypeError, KeyError):
            did.append("something that can't be read here")
            continue
        at = time.strftime("%H:%M:%SZ", time.gmtime(entry.at))
        match entry.fact:
            case e.ActionStarted(action_id=action_id):
                did.append(f"{at} {action_id} started")
            case e.StepStarted(step_id=step_id, target=on):
                did.append(f"{at} {step_id} started{f' on {on}' if on else ''}")
            case e.StepFinished(step_id=step_id, outcome=outcome):
                did.append(f"{at} {step_id} {outcome.value}")
            case e.ActionFinished(outcome=outcome):
                did.append(f"{at} it {outcome.value}")
    return (
        f"{fact.holder or 'somebody'}'s console on {fact.host} was cut off and went on by itself "
        f"({len(fact.entries)} entries): {'; '.join(did) or 'nothing was started there'}"
    )
