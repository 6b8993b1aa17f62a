"""A small app around the panes, driven by Pilot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from optibid_console.signals import LogLines
from screens.glyphs import use_ascii
from screens.themes import DEFAULT_VARIABLES, THEMES
from screens.widgets.logs import LogPane
from screens.widgets.ring import Ring


class PaneApp(App[None]):
    """One log pane in the console's theme; it keeps what it was asked to copy and tell."""

    def __init__(self, ring: Ring | None = None) -> None:
        super().__init__()
        self.pane = LogPane(ring=ring)
        self.copied: list[str] = []
        self.told: list[str] = []
        self.rolled_back = False

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DEFAULT_VARIABLES)

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "optibid-dark"
        self.pane.focus()

    def copy_to_clipboard(self, text: str) -> None:
        self.copied.append(text)

    def notify(self, message: str, **_options: object) -> None:  # type: ignore[override]
        self.told.append(message)

    def action_rollback(self) -> None:
        self.rolled_back = True

    @property
    def rows(self) -> list[str]:
        """What the pane shows, row by row."""
        return [self.pane.render_line(y).text.rstrip() for y in range(self.pane.size.height)]


async def settle(pilot: Pilot[None]) -> None:
    """Wait until the pane has nothing left to draw, filter or look for."""
    pane = pilot.app.query_one(LogPane)
    await pilot.pause()
    pane._tick()
    while pane.search.looking or (
        pane.view.index is not None and pane.view.index.scanned < pane.ring.end
    ):
        await pilot.pause()
        pane._tick()


def numbered(start: int, stop: int, tail: str = "backend", text: str = "line") -> LogLines:
    data = b"".join(b"%s %d\n" % (text.encode(), number) for number in range(start, stop))
    return LogLines(tail, data, stop - start)


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def only_ascii() -> Iterator[None]:
    use_ascii(True)
    yield
    use_ascii(False)


@pytest.fixture
def pane_app() -> type[PaneApp]:
    return PaneApp


@pytest.fixture(name="settle")
def settle_fixture() -> Callable[[Pilot[None]], object]:
    return settle


@pytest.fixture(name="numbered")
def numbered_fixture() -> Callable[..., LogLines]:
    return numbered


SIZE = (80, 12)


ERROR = b"2026-11-24 01:57:11 - main - ERROR - %s\n"


@pytest.fixture
def app(pane_app: Any) -> Any:
    return pane_app(None)


def last_lines(app: Any) -> list[str]:
    return [row.split()[-1] for row in app.rows if " line " in row]
