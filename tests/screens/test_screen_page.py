"""What a screen offers whose person sits at another machine: nothing is saved on this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.palette import Everything
from tests.screens import recording as rec
from tests.screens.conftest import Console, Start


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where something could be saved."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(it: Console) -> list[str]:
    return [text for text, _ in Everything(it.app.screen)._all()]


async def test_the_palette_offers_no_file_no_shell_and_nothing_of_textual_s(
    console: Start, home: Path
) -> None:
    async with console(rec.good_day(), operator=False, saves_files=False) as it:
        texts = "\n".join(offered(it)).lower()
        for word in ("picture", "screenshot", "svg", "save", "suspend", "shell", "open file"):
            assert word not in texts
        # of Textual's own commands (screenshot, keys, theme, quit) none is there
        assert [one.__name__ for one in it.app.COMMANDS] == ["_palette"]  # type: ignore[union-attr]
        it.app.save_picture()
        await it.until(lambda: any("Nothing is saved" in said for said in it.said()))
    assert not list(home.rglob("*"))


async def test_a_picture_is_offered_where_the_person_sits(console: Start) -> None:
    async with console(rec.good_day(), operator=False) as it:
        assert any(text.startswith("picture") for text in offered(it))


async def test_copied_lines_go_to_the_clipboard_alone(console: Start, home: Path) -> None:
    async with console(rec.good_day(), operator=False, saves_files=False) as it:
        await it.press("3", "y")
        assert any("sent to the clipboard" in said for said in it.said())
        assert not any("Saved" in said for said in it.said())
        assert "checkpoint complete" in it.app.clipboard
    assert not list(home.rglob("*"))


@pytest.mark.parametrize("key", ["ctrl+z", "ctrl+c", "ctrl+s", "ctrl+backslash", "f1", "ctrl+o"])
async def test_no_key_leads_out_of_the_screen(console: Start, home: Path, key: str) -> None:
    async with console(rec.good_day(), operator=False, saves_files=False) as it:
        await it.press(key)
        assert it.app.is_running
        assert it.app.screen is it.app.window
        assert it.source.sent == []
    assert not list(home.rglob("*"))
