from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from optibid_console import entries as e
from optibid_console.engine.opening import moment
from optibid_console.launch_clock import format_offset, format_span, read_clock
from optibid_console.units import format_value


def test_the_clock_counts_to_t0(story: Any) -> None:
    clock = read_clock(story.state, story.state.t0 - 2537)
    assert format_offset(clock.offset_s) == "T-00:42:17"
    assert clock.end_offset_s == 3600.0


def test_a_hold_stops_the_clock(story: Any) -> None:
    story.add(e.Held("why"))
    held = read_clock(story.state, story.now + 500)
    assert held.held
    assert held.offset_s == -3600.0
    story.add(e.Resumed(500.0), after_s=500.0)
    assert read_clock(story.state, story.now).offset_s == pytest.approx(-3600.0)


def test_drift_is_how_late_the_next_step_is(story: Any) -> None:
    assert read_clock(story.state, story.now).drift_s == 0.0
    assert read_clock(story.state, story.now + 90).drift_s == 90.0
    story.do("1.1")
    ahead = read_clock(story.state, story.now)
    assert ahead.drift_s == pytest.approx(7 - 60)
    assert ahead.forecast_end_s == 3600.0
    late = read_clock(story.state, story.now + 353)
    assert late.drift_s == pytest.approx(300)
    assert late.forecast_end_s == pytest.approx(3900)


def test_a_step_that_runs_over_adds_to_the_drift(story: Any) -> None:
    story.start("1.1")
    assert read_clock(story.state, story.now + 30).drift_s == 0.0
    assert read_clock(story.state, story.now + 100).drift_s == pytest.approx(40)


def test_the_phase_is_the_first_with_something_left(story: Any) -> None:
    assert read_clock(story.state, story.now).phase_index == 0
    story.add(e.StepSkipped("1.1", "x"))
    story.do("1.2")
    assert read_clock(story.state, story.now).phase_index == 1


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "T+00:00:00"), (-1, "T-00:00:01"), (3600, "T+01:00:00")]
)
def test_format_offset(seconds: float, said: str) -> None:
    assert format_offset(seconds) == said


@pytest.mark.parametrize(("seconds", "said"), [(12, "0:12"), (190, "3:10"), (3723, "1:02:03")])
def test_format_span(seconds: float, said: str) -> None:
    assert format_span(seconds) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (182.4, "ms", "182 ms"), (0.004, "ratio", "0.4 %"), (1204, "count", "1204"),
        (3.25, "per_s", "3.2/s"), (38_000_000, "bytes", "38 MB"), (41, "percent", "41 %"),
        (None, "ms", "no data"), (0.00001, "ratio", "0.001 %"), (0, "ratio", "0 %"),
    ],
)  # fmt: skip
def test_numbers_with_their_units(value: float | None, unit: str, said: str) -> None:
    assert format_value(value, unit) == said


NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("21:00", NOON + 9 * 3600), ("11:00", NOON + 23 * 3600), ("+90m", NOON + 5400),
        ("2026-11-24T13:00:00Z", NOON + 3600), ("2026-11-24T13:00:00+01:00", NOON),
    ],
)  # fmt: skip
def test_moments_for_t0(text: str, at: float) -> None:
    assert moment(text, NOON) == at


@pytest.mark.parametrize("text", ["soon", "25:00", "+m", "2026-11-24T13:00:00", "+5x", ""])
def test_moments_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="write `21:00`"):
        moment(text, NOON)
