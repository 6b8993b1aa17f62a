"""The new release's fault: nothing, then more and more."""

from __future__ import annotations

import pytest

from optibid_console.demo.fault import POOL_SIZE, Fault, effects
from optibid_console.demo.stack import fault_for


@pytest.mark.parametrize(
    ("uptime_s", "severity"), [(0, 0.0), (10, 0.0), (15, 0.25), (20, 0.5), (30, 1.0), (99, 1.0)]
)
def test_severity_climbs_after_a_while(uptime_s: float, severity: float) -> None:
    assert Fault(after_s=10, ramp_s=20).severity(uptime_s) == severity


def test_no_severity_harms_nothing_and_the_worst_empties_the_pool() -> None:
    assert effects(0.0).error_share == effects(0.0).delay_s == 0
    assert effects(0.0).pool_available == POOL_SIZE
    assert effects(1.0).pool_available == 0


def test_a_tenth_of_it_already_trips_the_error_rate() -> None:
    assert effects(0.11).error_share > 0.05


def test_the_fault_waits_until_after_t_0_on_the_window_s_own_clock() -> None:
    assert fault_for(speed=24).after_s == pytest.approx(80)  # T-30 and 32 minutes
    assert fault_for(speed=48).after_s == pytest.approx(40)
