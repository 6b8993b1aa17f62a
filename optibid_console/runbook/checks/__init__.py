"""What must hold between the parts of a runbook: names, order, and what a step may say.

Looks at the whole runbook, all stacks and services, so that a mistake in an alternative
is found before the night on which that alternative is chosen.
"""

from __future__ import annotations

from optibid_console.runbook.checks.channels import check_channels
from optibid_console.runbook.checks.checker import Checker, steps_at
from optibid_console.runbook.checks.gates import check_gates
from optibid_console.runbook.checks.observed import check_criteria, check_observed
from optibid_console.runbook.checks.people import check_people
from optibid_console.runbook.checks.steps import check_actions, check_phases, check_steps, may_meet
from optibid_console.runbook.checks.targets import check_databases, check_targets
from optibid_console.runbook.checks.window import check_window
from optibid_console.runbook.layout import Registry
from optibid_console.runbook.model import Runbook
from optibid_console.runbook.problems import Problems

__all__ = ["check", "may_meet", "steps_at"]


def check(runbook: Runbook, problems: Problems, registry: Registry) -> None:
    """Note everything in a runbook that names nothing, or contradicts itself."""
    look = Checker(runbook, problems)
    check_window(look)
    check_targets(look)
    check_databases(look)
    check_observed(look, registry)
    check_phases(look)
    check_actions(look)
    check_steps(look)
    check_people(look)
    check_criteria(look)
    check_channels(runbook, problems)
    check_gates(runbook, problems)
