"""This machine's clocks, as the engine measures with them."""

from __future__ import annotations

import time
from functools import cache

from optibid_console.journal.lease import this_engine
from optibid_console.moment import Moment, boot_name


def now() -> Moment:
    """This moment, here."""
    return Moment(time.time(), time.monotonic(), _boot())


@cache
def _boot() -> str:
    here = this_engine()
    return boot_name(here.host, here.boot_id)
