"""`tell --test`: a real message through a real channel, or why not."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from optibid_console.cli import main
from tests.cli.conftest import RUNBOOK
from tests.servers.page import Page, open_page

CHANNELS = """
[tell.chat]
kind = "apprise"
url = "json://{address}/${{CHAT_TOKEN}}"
on = ["rollback-begun"]

[tell.page]
kind = "status-page"
url = "http://{address}/page"
on = ["held"]

[tell.paging]
kind = "apprise"
url = "${{NOT_SET}}"
optional = true
on = ["held"]
"""


@pytest.fixture
def page() -> Iterator[Page]:
    """The page in a thread of its own: the command has the main one."""
    opened: list[Page] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with open_page() as one:
            opened.append(one)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    yield opened[0]
    loop.call_soon_threadsafe(done.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def config(tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAT_TOKEN", "sesame-open")
    path = tmp_path / "config.toml"
    path.write_text(RUNBOOK + CHANNELS.format(address=page.address))
    return path


@pytest.mark.parametrize("channel", ["chat", "page"])
def test_a_test_message_says_that_it_is_one(
    config: Path, page: Page, channel: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tell", "--test", channel, "-c", str(config)]) == 0
    assert capsys.readouterr().out.startswith(f"✓ {channel} took 'TEST: Little window v1")
    (asked,) = page.asked
    assert asked["body"]["title"].startswith("TEST: Little window v1")


def test_a_refusal_is_1_and_says_no_secret(
    config: Path, page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    page.refuses = True
    assert main(["tell", "--test", "page", "-c", str(config), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert said["said"].startswith("page: status 500")
    assert main(["tell", "--test", "chat", "-c", str(config)]) == 1
    out = capsys.readouterr().out
    assert "error=500" in out
    assert "sesame" not in out


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("chatt", 'no channel "chatt"; channels are chat, page, paging; did you mean "chat"?'),
        ("paging", "paging: no value for ${NOT_SET}"),
    ],
)
def test_what_cannot_be_used_is_2(
    config: Path, page: Page, channel: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tell", "--test", channel, "-c", str(config)]) == 2
    assert capsys.readouterr().err == f"✗ {said}\n"
    assert page.asked == []


def test_check_says_which_channel_is_left_out(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "-c", str(config)]) == 0
    out = capsys.readouterr().out
    assert "tell.paging: no value for ${NOT_SET}: nobody is told through this channel" in out
    assert "3 channels" in out
