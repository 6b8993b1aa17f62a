"""Every state as a glyph, a word and a style: never colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyph:
    """How a state looks."""

    char: str
    """One cell wide."""
    ascii: str
    """The same for a font without glyphs (`--ascii`), also one cell."""
    word: str
    style: str
    """A semantic name that `screens.themes.state_style` resolves."""

    @property
    def drawn(self) -> str:
        """The character to draw: `ascii` after `use_ascii(True)`, else `char`."""
        return self.ascii if _ascii_only else self.char


GLYPHS: Mapping[str, Glyph] = {
    "ok": Glyph("✓", "+", "ok", "ok"),
    "warn": Glyph("!", "!", "warn", "warn"),
    "failing": Glyph("✗", "x", "failing", "failing"),
    "error": Glyph("?", "?", "error", "error"),
    "running": Glyph("…", ">", "running", "running"),
    "pending": Glyph("○", "o", "pending", "pending"),
    "skipped": Glyph("⊘", "/", "skipped", "skipped"),
    "waived": Glyph("!", "!", "waived", "warn"),
    "rehearsed": Glyph("↷", "~", "rehearsed", "skipped"),
    "undone": Glyph("↶", "<", "undone", "skipped"),
    "stale": Glyph("~", "~", "stale", "stale"),
    "unknown": Glyph("⁇", "%", "unknown", "unknown"),
    "unsettled": Glyph("⁇", "%", "unknown, settle", "unsettled"),
    "done": Glyph("✓", "+", "done", "ok"),
    "failed": Glyph("✗", "x", "failed", "failing"),
    "held": Glyph("‖", "=", "held", "warn"),
    "recording": Glyph("●", "*", "recording", "recording"),
    "watching": Glyph("◉", "@", "watching", "watching"),
    "rollback": Glyph("⟲", "R", "rollback", "ok"),
}

_ascii_only = False


def use_ascii(only: bool) -> None:
    """Draw every glyph as ASCII from now on, for the whole process (`--ascii`)."""
    global _ascii_only
    _ascii_only = only


def ascii_only() -> bool:
    """Whether only ASCII may be drawn: sparklines, ellipses and arrows follow it too."""
    return _ascii_only


def glyph(name: str) -> Glyph:
    """The look of a state by its name in `GLYPHS`. Raises `KeyError` for any other."""
    return GLYPHS[name]
