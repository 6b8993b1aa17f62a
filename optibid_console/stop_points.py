"""Named points at which a test ends or suspends this process, to see what is left of it.

`OPTIBID_STOP_AT=NAME` or `NAME:kill` ends it with SIGKILL when it reaches that point,
`NAME:stop` suspends it with SIGSTOP. Without the variable they do nothing.
"""

from __future__ import annotations

import os
import signal
from typing import Final, Literal, get_args

VARIABLE = "OPTIBID_STOP_AT"

StopPoint = Literal[
    "before-step-started",
    "after-step-started",
    "before-launch",
    "after-launch",
    "after-launch-recorded",
    "while-following",
    "after-end-known",
    "after-end-recorded",
    "before-outcome-recorded",
    "after-outcome-recorded",
]
STOP_POINTS: Final[tuple[StopPoint, ...]] = get_args(StopPoint)
"""In the order in which a step of a phase reaches them."""


def reach(name: StopPoint) -> None:
    """Say that the process is at this point. Stops at most once."""
    wanted, _, how = os.environ.get(VARIABLE, "").partition(":")
    if wanted == name:
        del os.environ[VARIABLE]
        os.kill(os.getpid(), signal.SIGSTOP if how == "stop" else signal.SIGKILL)
