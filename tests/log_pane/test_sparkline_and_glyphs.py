"""Bars say a value, gaps say that there was none, and every state has its own look."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from screens.glyphs import GLYPHS, glyph
from screens.lines import TONES
from screens.themes import DEFAULT_VARIABLES, THEMES, line_style, state_style, tone_style
from screens.widgets.sparkline import ASCII_BARS, BARS, sparkline


@pytest.mark.parametrize(
    ("values", "width", "low", "high", "drawn"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], 8, None, None, "▁▂▃▄▅▆▇█"),
        ([1, 2, 3], 5, 0, 3, "  ▃▆█"),
        ([1, 2, 3], 2, 0, 3, "▆█"),
        ([0, None, 80], 3, 0, 80, "▁ █"),
        ([float("nan"), float("inf"), 1], 3, 0, 1, "  █"),
        ([200, -5], 2, 0, 100, "█▁"),
        ([5, 5, 5], 3, None, None, "▁▁▁"),
        ([None, None], 4, None, None, "    "),
        ([], 3, None, None, "   "),
        ([1], 0, None, None, ""),
        ([1e308, -1e308], 2, None, None, "▁▁"),
    ],
)
def test_bars(
    values: list[float | None], width: int, low: float | None, high: float | None, drawn: str
) -> None:
    assert sparkline(values, width, low, high) == drawn


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=50), st.integers(0, 40))
def test_it_is_always_as_wide_as_asked(values: list[float | None], width: int) -> None:
    drawn = sparkline(values, width)
    assert len(drawn) == width
    assert set(drawn) <= set(BARS + " ")


@pytest.mark.usefixtures("only_ascii")
def test_ascii_bars() -> None:
    assert sparkline(list(range(8)), 8) == ASCII_BARS
    assert all(glyph(name).drawn.isascii() for name in GLYPHS)


def test_every_state_is_told_apart_without_colour() -> None:
    words = [one.word for one in GLYPHS.values()]
    assert len(set(words)) == len(words)
    health = ["ok", "warn", "failing", "error", "running", "pending", "skipped", "stale", "unknown"]
    for look in ("char", "ascii"):
        drawn = [getattr(glyph(name), look) for name in health]
        assert len(set(drawn)) == len(health)
        assert all(cell_len(one) == 1 for one in drawn)


def test_every_style_exists_in_every_theme() -> None:
    for theme in THEMES:
        assert set(theme.variables) >= set(DEFAULT_VARIABLES)
        for one in GLYPHS.values():
            assert state_style(theme.variables, one.style).color is not None
        assert tone_style(theme.variables, "dim").color is not None
        for tone in TONES:
            assert line_style(theme.variables, tone)


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of `#rrggbb`."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_state_can_be_read_on_every_ground(theme: object) -> None:
    """At least 4.5:1 (WCAG 2.2, 1.4.3), on a selected row at least 3:1; 7:1 in high contrast."""
    least = 7.0 if "contrast" in theme.name else 4.5  # type: ignore[attr-defined]
    variables = theme.variables  # type: ignore[attr-defined]
    grounds = [theme.background, theme.surface]  # type: ignore[attr-defined]
    for name in ("text", "muted", *{one.style for one in GLYPHS.values()}):
        colour = variables[f"state-{name}"]
        for ground in grounds:
            assert contrast(colour, ground) >= least, (name, ground)
        assert contrast(colour, variables["state-selected"]) >= 3.0, (name, "selected")
    assert contrast(variables["state-on-banner"], variables["state-banner"]) >= 4.5
