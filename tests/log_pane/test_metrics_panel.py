"""A metric says its value, its state in words, and never shows missing data as good."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import App, ComposeResult

from optibid_console.runbook.model import PanelSpec
from probes.probe import Reading, Seconds, Status
from screens.themes import DEFAULT_VARIABLES
from screens.widgets.metric_row import Metric, format_metric, metric_line, title_width
from screens.widgets.metrics import MetricsPanel

LATENCY = PanelSpec(
    "p95", "metrics", title="p95", unit="ms", every=Seconds(2), warn_above=200, fail_above=500
)


def reading(
    value: float | None, at: float = 100.0, status: Status = Status.OK, summary: str = ""
) -> Reading:
    return Reading("p95", status, summary, at, 1.0, value, "ms")


def shown(metric: Metric, width: int = 40, now: float = 100.0) -> str:
    return metric_line(metric, width, 6, now).text


def metric(*readings: Reading, spec: PanelSpec = LATENCY, baseline: float | None = None) -> Metric:
    one = Metric(spec, baseline=baseline)
    for each in readings:
        one.take(each)
    return one


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.41, "ratio", "41%"),
        (41.0, "percent", "41%"),
        (0.004, "ratio", "0.4%"),
        (182.0, "ms", "182ms"),
        (1204.0, "count", "1204"),
        (12e6, "bytes", "12 MB"),
        (3.2, "per_s", "3.2/s"),
        (1.5, "s", "1.5s"),
        (None, "ms", "no data"),
    ],
)
def test_values_with_their_units(value: float | None, unit: str, text: str) -> None:
    assert format_metric(value, unit) == text


def test_a_good_value_has_its_history_and_its_threshold() -> None:
    assert shown(metric(reading(100, 98), reading(150)), 30) == "  p95      150ms       ▅▇ ≤200"


def test_a_bad_one_has_its_glyph_and_its_word_at_any_width() -> None:
    one = metric(reading(612, status=Status.FAILING), baseline=120)
    text = shown(one, 60)
    assert text == "✗ p95      612ms            █ ≤500 base 120ms  +410% failing"
    for width in range(25, 90):
        text = shown(one, width)
        assert text.startswith("✗ p95      612ms")
        assert text.endswith(" failing")
        assert len(text) <= width


@pytest.mark.parametrize(
    ("one", "now", "text"),
    [
        (metric(), 100.0, "○ p95    no data yet"),
        (metric(reading(None)), 100.0, "⁇ p95    no data"),
        (metric(reading(float("nan"))), 100.0, "⁇ p95    no data"),
        (metric(reading(None, summary="empty vector")), 100.0, "⁇ p95    no data: empty vector"),
        (
            metric(reading(None, status=Status.ERROR, summary="refused\x1b[2J")),
            100.0,
            "? p95    error: refused^[[2J",
        ),
        (metric(reading(None)), 142.0, "~ p95    stale 42 s"),
    ],
)
def test_missing_data_has_its_own_look(one: Metric, now: float, text: str) -> None:
    assert shown(one, 40, now) == text


def test_an_old_value_is_stale_and_says_for_how_long() -> None:
    one = metric(reading(150))
    assert shown(one, 40, 110.0).startswith("  p95")
    assert shown(one, 40, 142.0).startswith("~ p95      150ms")
    assert shown(one, 40, 142.0).endswith(" stale 42 s")
    assert shown(one, 26, 400.0).endswith(" stale")


def test_periods_without_a_reading_are_gaps() -> None:
    one = metric(reading(100, 10), reading(100, 12), reading(100, 20))
    assert list(one.history) == [100, 100, None, None, None, 100]


def test_a_reading_that_came_late_is_left_out() -> None:
    one = metric(reading(100, 20), reading(900, 10))
    assert one.value == 100


def test_the_history_is_bounded() -> None:
    one = metric(reading(1, 0), reading(1, 1e9))
    assert len(one.history) == 240


@pytest.mark.parametrize(
    ("value", "limits", "text"),
    [
        (100, {"warn_above": 200, "fail_above": 500}, "≤200"),
        (300, {"warn_above": 200, "fail_above": 500}, "≤500"),
        (900, {"warn_above": 200, "fail_above": 500}, "≤500"),
        (100, {"warn_below": 20, "fail_below": 5}, "≥20"),
        (10, {"warn_below": 20, "fail_below": 5}, "≥5"),
    ],
)
def test_the_threshold_that_is_nearest(value: float, limits: dict[str, float], text: str) -> None:
    spec = PanelSpec("p95", "metrics", title="p95", unit="ms", **limits)
    assert shown(metric(reading(value), spec=spec)).endswith(f" {text}")


def test_a_baseline_of_zero_has_no_percentage() -> None:
    text = shown(metric(reading(5), baseline=0.0), 60)
    assert "base 0ms" in text
    assert "%" not in text


def test_titles_are_as_wide_as_the_widest_within_reason() -> None:
    long = Metric(PanelSpec("x", "metrics", title="a very long title of a panel"))
    assert title_width([Metric(LATENCY)], 40) == 4
    assert title_width([long], 80) == 16
    assert title_width([long], 26) == 8


class PanelApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.panel = MetricsPanel()
        self.opened: list[str] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DEFAULT_VARIABLES)

    def compose(self) -> ComposeResult:
        yield self.panel

    def on_metrics_panel_opened(self, event: MetricsPanel.Opened) -> None:
        self.opened.append(event.panel_id)

    @property
    def rows(self) -> list[str]:
        return [self.panel.render_line(y).text.rstrip() for y in range(self.panel.size.height)]


SPECS = {
    name: PanelSpec(name, "metrics", title=name, unit="ms", every=Seconds(2))
    for name in ("cpu", "p95", "[@click=app.quit]x")
}


async def drawn(pilot: Any) -> None:
    await pilot.pause()
    pilot.app.panel._paint()


async def test_the_panel_draws_what_it_was_told() -> None:
    app = PanelApp()
    async with app.run_test(size=(50, 8)) as pilot:
        app.panel.set_panels(SPECS)
        app.panel.sample(reading(182, status=Status.WARN))
        app.panel.sample(Reading("unknown", Status.OK, "", 1, 1, 1))
        app.panel.set_baseline({"p95": 120.0})
        await drawn(pilot)
        assert app.rows[1].startswith("! p95")
        assert app.rows[1].endswith("+52% warn")
        assert "[@click=app.quit]x" in app.rows[2] or "…" in app.rows[2]
        assert app.panel.title_text == "Metrics  ! 1 warn"
        app.panel.tick(200.0)
        assert app.rows[1].startswith("~ p95")
        assert app.panel.title_text == "Metrics  ~ 1 stale"


async def test_a_panel_is_chosen_and_opened() -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 2)) as pilot:
        app.panel.set_panels(SPECS)
        app.panel.focus()
        await drawn(pilot)
        assert app.panel.title_text.endswith("2 of 3 shown")
        await pilot.press("enter", "down", "enter", "end")
        await drawn(pilot)
        assert app.opened == ["cpu", "p95"]
        assert app.panel.chosen == "[@click=app.quit]x"
        assert "p95" in app.rows[0]


async def test_a_runbook_that_changes_keeps_the_history_of_what_stays() -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.panel.set_panels(SPECS)
        app.panel.sample(reading(182))
        app.panel.set_panels({"p95": SPECS["p95"]})
        await drawn(pilot)
        assert app.panel.metrics["p95"].value == 182
        assert app.panel.chosen == "p95"


async def test_rows_that_stay_the_same_are_not_painted_again() -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.panel.set_panels(SPECS)
        app.panel.sample(reading(182))
        await drawn(pilot)
        regions: list[Any] = []
        app.panel.refresh = lambda *changed, **_: regions.extend(changed)  # type: ignore[method-assign,assignment]
        app.panel.tick(101.0)
        assert regions == []
        app.panel.tick(190.0)
        assert [region.y for region in regions] == [1]


async def test_an_empty_panel_can_be_keyed() -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.panel.focus()
        await pilot.press("down", "enter", "pageup")
        await drawn(pilot)
        assert app.opened == []
        assert not any(app.rows)
