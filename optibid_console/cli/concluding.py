"""Whatever happens to a command without a screen, as its result."""

from __future__ import annotations

from collections.abc import Callable

from optibid_console.cli.action_result import Result
from optibid_console.cli.talk import Declined, Interrupted
from optibid_console.journal.journal import JournalError
from optibid_console.runbook.load import RunbookError
from optibid_console.source import SourceError


def concluded(command: str, work: Callable[[], Result]) -> Result:
    """What `work` gives, or what its error means."""
    try:
        return work()
    except RunbookError as error:
        return Result(2, "\n".join(str(one) for one in error.problems))
    except Declined as error:
        return Result(3, str(error))
    except Interrupted as error:
        return Result(error.exit_status, f"interrupted: {command} was asked for and goes "
                      "on; `status` says where the window is")  # fmt: skip
    except (SourceError, JournalError) as error:
        return Result(int(getattr(error, "exit_code", 1)), str(error))
