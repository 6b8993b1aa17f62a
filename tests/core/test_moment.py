"""How long ago a moment was, whatever the wall clock did meanwhile."""

from __future__ import annotations

import pytest

from optibid_console.moment import Moment, boot_name

HERE = boot_name("app-1", "b1")


@pytest.mark.parametrize(
    ("earlier", "later", "seconds"),
    [
        (Moment(100.0, 5.0, HERE), Moment(112.0, 17.0, HERE), 12.0),
        (Moment(100.0, 5.0, HERE), Moment(3712.0, 17.0, HERE), 12.0),
        (Moment(100.0, 5.0, HERE), Moment(-3488.0, 17.0, HERE), 12.0),
        (Moment(100.0, 5.0, HERE), Moment(112.0, 2.0, boot_name("app-1", "b2")), 12.0),
        (Moment(100.0, 5.0, HERE), Moment(112.0, 900.0, boot_name("app-2", "b1")), 12.0),
        (Moment(100.0, 5.0, HERE), Moment(90.0, 900.0, boot_name("app-2", "b1")), 0.0),
        (Moment(100.0, 5.0, ""), Moment(112.0, 900.0, ""), 12.0),
        (Moment(100.0, 50.0, HERE), Moment(112.0, 2.0, HERE), 12.0),
    ],
    ids=[
        "quiet", "an hour on", "an hour back", "rebooted", "another machine", "behind it",
        "no boot id", "a clock of its own",
    ],
)  # fmt: skip
def test_time_is_measured_on_the_monotonic_clock_where_it_is_the_same(
    earlier: Moment, later: Moment, seconds: float
) -> None:
    assert later.since(earlier) == seconds
