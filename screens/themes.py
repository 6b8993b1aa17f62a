"""The console's themes, and the look of every state in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from rich.style import Style
from textual.theme import Theme


@dataclass(frozen=True, slots=True)
class _Palette:
    """Colours of one theme by what they mean, as `#rrggbb`."""

    text: str
    muted: str
    background: str
    surface: str
    panel: str
    line: str
    accent: str
    ok: str
    warn: str
    failing: str
    error: str
    running: str
    stale: str
    selected: str
    banner: str
    on_banner: str


_DARK = _Palette(
    text="#d7dde4", muted="#8b97a5", background="#10151b", surface="#161d25", panel="#1e2731",
    line="#3a4757", accent="#5fb3f3", ok="#6cc687", warn="#e9b44c", failing="#ff6b6b",
    error="#d78cff", running="#5fb3f3", stale="#a39a7d", selected="#24405c",
    banner="#b3261e", on_banner="#ffffff",
)  # fmt: skip
_LIGHT = _Palette(
    text="#1d252d", muted="#5b6672", background="#f6f7f9", surface="#ffffff", panel="#e8ecf0",
    line="#9aa6b2", accent="#0b5cad", ok="#1b6e37", warn="#8a5200", failing="#b3261e",
    error="#7a2fa8", running="#0b5cad", stale="#6b6142", selected="#cfe3f7",
    banner="#b3261e", on_banner="#ffffff",
)  # fmt: skip
_CONTRAST = _Palette(
    text="#ffffff", muted="#d0d0d0", background="#000000", surface="#000000", panel="#1a1a1a",
    line="#ffffff", accent="#00ffff", ok="#00ff66", warn="#ffff00", failing="#ff8080",
    error="#ff9cff", running="#00ffff", stale="#ffd9a0", selected="#003f8f",
    banner="#ffff00", on_banner="#000000",
)  # fmt: skip
# Okabe and Ito, Color Universal Design (2008): told apart with any common colour vision.
_COLOUR_BLIND = _Palette(
    text="#e6e6e6", muted="#9a9a9a", background="#11151a", surface="#171c22", panel="#20262e",
    line="#434c57", accent="#56b4e9", ok="#009e73", warn="#f0e442", failing="#e69f00",
    error="#cc79a7", running="#56b4e9", stale="#a0a0a0", selected="#12405e",
    banner="#d55e00", on_banner="#000000",
)  # fmt: skip


def _variables(p: _Palette) -> dict[str, str]:
    """The variables that panes use; all exist in every theme, and as the app's defaults."""
    return {
        "state-ok": p.ok,
        "state-warn": p.warn,
        "state-failing": p.failing,
        "state-error": p.error,
        "state-running": p.running,
        "state-pending": p.muted,
        "state-skipped": p.muted,
        "state-stale": p.stale,
        "state-unknown": p.error,
        "state-unsettled": p.error,
        "state-recording": p.failing,
        "state-watching": p.accent,
        "state-text": p.text,
        "state-muted": p.muted,
        "state-accent": p.accent,
        "state-selected": p.selected,
        "state-line": p.line,
        "state-banner": p.banner,
        "state-on-banner": p.on_banner,
    }


def _theme(name: str, p: _Palette, *, dark: bool = True) -> Theme:
    return Theme(
        name=name,
        primary=p.accent,
        secondary=p.running,
        warning=p.warn,
        error=p.failing,
        success=p.ok,
        accent=p.accent,
        foreground=p.text,
        background=p.background,
        surface=p.surface,
        panel=p.panel,
        dark=dark,
        variables={
            **_variables(p),
            "border": p.accent,
            "border-blurred": p.line,
            "footer-key-foreground": p.accent,
            "footer-background": p.panel,
            "block-cursor-background": p.selected,
            "block-cursor-foreground": p.text,
            "block-cursor-text-style": "bold",
            "block-cursor-blurred-background": p.panel,
            "input-selection-background": f"{p.accent} 35%",
        },
    )


THEMES: tuple[Theme, ...] = (
    _theme("optibid-dark", _DARK),
    _theme("optibid-light", _LIGHT, dark=False),
    _theme("optibid-contrast", _CONTRAST),
    _theme("optibid-colour-blind", _COLOUR_BLIND),
)

DEFAULT_VARIABLES: Mapping[str, str] = _variables(_DARK)
"""For `App.get_theme_variable_defaults`: a theme that isn't ours has all of them too."""

_BOLD = frozenset({"failing", "error", "warn", "unknown"})
_ITALIC = frozenset({"stale", "skipped"})
"""What still tells states apart where colours are off (NO_COLOR)."""


def state_style(variables: Mapping[str, str], name: str) -> Style:
    """The look of a semantic style (`Glyph.style`, `muted`, `accent`, `text`).

    `variables` are the app's `theme_variables`. Raises `KeyError` for an unknown name.
    """
    colour = variables.get(f"state-{name}") or DEFAULT_VARIABLES[f"state-{name}"]
    return _style(colour, name in _BOLD, name in _ITALIC)


@lru_cache(maxsize=256)
def _style(colour: str, bold: bool, italic: bool = False) -> Style:
    return Style(color=colour, bold=bold or None, italic=italic or None)


def selected_style(variables: Mapping[str, str]) -> Style:
    """The background of the row that keys act on, to be added to its own style."""
    colour = variables.get("state-selected") or DEFAULT_VARIABLES["state-selected"]
    return Style(bgcolor=colour, bold=True)


def cursor_style(variables: Mapping[str, str], *, focused: bool) -> Style:
    """The background of a pane's chosen line, to be added to the line's own style."""
    name = "state-selected" if focused else "panel"
    return Style(bgcolor=variables.get(name) or DEFAULT_VARIABLES["state-selected"])


_TONES: Mapping[str, str] = {
    "plain": "text", "dim": "muted", "strong": "text", "title": "accent", "key": "accent",
}  # fmt: skip


def tone_style(variables: Mapping[str, str], tone: str) -> Style:
    """The look of a tone of `screens.lines`, for panes that have no component styles."""
    return state_style(variables, _TONES.get(tone, tone))


def line_style(variables: Mapping[str, str], tone: str) -> Style:
    """The look of a tone in a pane's lines: like `tone_style`, and headings stand out.

    Not component classes: those cost a style of their own for each tone and each pane,
    computed anew at the start and whenever the focus moves.
    """
    if tone == "strong":
        return Style(bold=True)
    if tone == "unsettled":
        return tone_style(variables, tone) + Style(bold=True, reverse=True)
    style = tone_style(variables, tone)
    return style + Style(bold=True) if tone in ("title", "key") else style


def theme_name(name: str) -> str:
    """The theme's full name. Raises `ValueError` for one that there isn't."""
    names = [one.name for one in THEMES]
    for known in (name, f"optibid-{name}"):
        if known in names:
            return known
    short = ", ".join(one.removeprefix("optibid-") for one in names)
    raise ValueError(f"no theme {name!r}; themes are {short}")
