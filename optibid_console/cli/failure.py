"""How an error ends a command without a screen."""

from __future__ import annotations

from optibid_console.cli.action_result import Result
from optibid_console.cli.talk import Declined, Interrupted
from optibid_console.journal.journal import JournalError
from optibid_console.runbook.load import RunbookError
from optibid_console.source import SourceError

FAILURES = (RunbookError, Declined, Interrupted, SourceError, JournalError)
"""What such a command can end with; anything else is a defect."""


def failure(error: Exception, interrupted: str = "interrupted") -> Result:
    """The result of a command that one of `FAILURES` ended; `interrupted`: what to say of INT."""
    match error:
        case RunbookError():
            return Result(2, "\n".join(str(one) for one in error.problems))
        case Declined():
            return Result(3, str(error))
        case Interrupted():
            return Result(error.exit_status, interrupted)
        case _:
            return Result(int(getattr(error, "exit_code", 1)), str(error))
