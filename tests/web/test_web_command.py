"""`watch LINK --web`: the real command, on a real feed over TLS."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from optibid_console.cli.options import parse
from optibid_console.cli.web import BadWeb, FeedDoor, wanted_address
from optibid_console.entries import WatchRevoked, WatchShared
from optibid_console.feed.certificate import own_certificate
from optibid_console.feed.link import Link, new_token, token_hash
from optibid_console.feed.observer import OtherCertificate
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.source import SourceError
from optibid_console.web.page import Page
from optibid_console.web.site import NotAdmitted
from tests.feed.conftest import Window
from tests.feed.observing import Shared, own_state
from tests.screens import recording as rec
from tests.screens.small_runbook import small_runbook
from tests.web.conftest import REPOSITORY, WITHIN_S, alive, closing, drawn


class SharedWindow(Shared):
    """Its links are in the journal, as an engine's are."""

    async def shared_with(self, name: str) -> Link:
        link = self.link(name)
        await self.window.append("carl", WatchShared(name, token_hash(link.token), 2e9))
        return link

    async def take_back(self, link: Link, name: str) -> None:
        await self.window.append("carl", WatchRevoked(name))
        del self.passes[link.token]
        await self.listener.turn_away(name, "your link was taken back by carl")


@pytest.fixture
async def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SharedWindow]:
    """A small window, shared."""
    own_state(tmp_path, monkeypatch)
    journal = await SqliteJournal.open(tmp_path / "one.journal", create=True)
    window = Window(tmp_path / "engine.sock", journal)
    for entry in rec.opened().entries:
        await window.append(entry.actor, entry.fact)
    shared = SharedWindow(window)
    await shared.start()
    yield shared
    await shared.listener.close("over")
    await journal.close()


class Command:
    """`watch LINK --web` as a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = b""

    async def url(self) -> str:
        """Where it says that its pages are."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            while not (found := re.search(rb"in a browser: (https?://\S+)", self.said)):
                line = await self.process.stdout.readline()
                assert line, await self.rest()
                self.said += line
        return found[1].decode().rstrip("/")

    async def rest(self) -> str:
        out, err = await asyncio.wait_for(self.process.communicate(), WITHIN_S)
        return (self.said + out + err).decode()


@pytest.fixture
async def web() -> AsyncIterator:
    started: list[asyncio.subprocess.Process] = []

    async def start(link: Link, *more: str) -> Command:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "optibid_console", "watch", "--web", "127.0.0.1:0", *more,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "OPTIBID_LINK": link.text()},
        )  # fmt: skip
        started.append(process)
        return Command(process)

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def page(client: httpx.AsyncClient, base: str, tls: ssl.SSLContext | None = None) -> connect:
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return connect(
        base.replace("http", "ws", 1) + "/ws?width=160&height=45", ssl=tls, origin=None,
        additional_headers={"Cookie": cookie, "Origin": base}, max_size=None,
    )  # fmt: skip


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_each_person_watches_with_a_token_of_her_own_which_nothing_shows(
    shared: SharedWindow, web, tmp_path: Path
) -> None:
    own, hers = await shared.shared_with("web"), await shared.shared_with("ann")
    command = await web(own)
    base = await command.url()
    async with httpx.AsyncClient(base_url=base, headers={"Origin": base}) as client:
        wrong = await client.post("/enter", json={"token": new_token()})
        assert wrong.status_code == 403
        assert children(command.process.pid) == []
        assert (await client.post("/enter", json={"token": hers.token})).status_code == 200
        assert small_runbook().window.name in (await client.get("/window")).text
        assert small_runbook().window.name not in (await client.get("/")).text
        async with page(client, base) as ws:
            await drawn(ws, "WATCHING", "Database migration")
            (child,) = children(command.process.pid)
            assert hers.token not in Path(f"/proc/{child}/cmdline").read_text()
            limits = Path(f"/proc/{child}/limits").read_text()
            assert re.search(r"Max file size +0 ", limits)
            assert any("(ann)" in one for one in shared.attendance.presence().watching)
            await shared.take_back(hers, "ann")
            assert await closing(ws) == (Page.NOT_LET_IN, "Your link was taken back by carl.")
        async with asyncio.timeout(WITHIN_S):
            while alive(child):
                await asyncio.sleep(0.02)
        entered = await client.get("/entered")
        assert entered.json() == {"entered": False}
    command.process.send_signal(signal.SIGTERM)
    said = await command.rest()
    assert command.process.returncode == 128 + signal.SIGTERM
    assert own.token not in said
    assert hers.token not in said
    assert "turned away (1 time)" in said
    assert "Traceback" not in said
    assert not alive(child)
    left = [one for one in tmp_path.rglob("*") if hers.token.encode() in _bytes(one)]
    assert left == []


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


async def test_with_a_certificate_the_page_and_its_cookie_are_for_tls_alone(
    shared: SharedWindow, web
) -> None:
    hers = await shared.shared_with("ann")
    certificate = own_certificate()
    command = await web(shared.link("web"), "--web-cert", str(certificate))
    base = await command.url()
    assert base.startswith("https://")
    tls = ssl.create_default_context(cafile=str(certificate))
    tls.check_hostname = False  # it names the console, and no host
    async with httpx.AsyncClient(base_url=base, headers={"Origin": base}, verify=tls) as client:
        answer = await client.post("/enter", json={"token": hers.token})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-optibid-")
        assert "Secure" in cookie
        assert "wss://" in (await client.get("/window")).headers["content-security-policy"]
        async with page(client, base, tls) as ws:
            await drawn(ws, "WATCHING")


async def test_a_link_that_opens_nothing_is_said_before_anything_is_served(
    shared: SharedWindow, web
) -> None:
    command = await web(replace(shared.link(), token=new_token()))
    said = await command.rest()
    assert command.process.returncode == 3
    assert "turns this link away: no such link" in said


async def test_the_door_tells_a_wrong_token_from_a_feed_that_is_away(shared: SharedWindow) -> None:
    link = await shared.shared_with("support")
    door = FeedDoor(link)
    await door.admit(link.token)
    for wrong in (new_token(), "short", f"{link.token}x", "ä" * 43):
        with pytest.raises(NotAdmitted):
            await door.admit(wrong)
    other = FeedDoor(replace(link, fingerprint=new_token()))
    with pytest.raises(OtherCertificate):
        await other.admit(link.token)
    await shared.listener.close("over")
    with pytest.raises(SourceError, match="can't be reached") as away:
        await door.admit(link.token)
    assert not isinstance(away.value, NotAdmitted)


async def test_a_wrong_token_is_not_shown_to_the_engine_and_a_later_link_is_found(
    shared: SharedWindow,
) -> None:
    """However many wrong ones come, the engine is asked for later entries twice a second."""
    door = FeedDoor(await shared.shared_with("support"))
    shown: list[str] = []
    admit = shared.listener._admit
    shared.listener._admit = lambda token: shown.append(token) or admit(token)
    wrong = [new_token() for _ in range(200)]
    refused = await asyncio.gather(*map(door.admit, wrong), return_exceptions=True)
    assert all(isinstance(one, NotAdmitted) for one in refused)
    assert not set(wrong) & set(shown)
    assert len(shown) == 1
    later = await shared.shared_with("later")
    await asyncio.gather(*(door.admit(later.token) for _ in range(20)))
    assert shown.count(later.token) == 1
    await shared.take_back(later, "later")
    with pytest.raises(NotAdmitted):
        await door.admit(later.token)


async def test_pages_go_on_when_their_server_s_own_link_was_taken_back(
    shared: SharedWindow,
) -> None:
    own, hers = await shared.shared_with("web"), await shared.shared_with("ann")
    door = FeedDoor(own)
    await door.admit(hers.token)
    await shared.take_back(own, "web")
    await door.admit(hers.token)
    await door.admit((await shared.shared_with("later")).token)
    with pytest.raises(NotAdmitted):
        await door.admit(new_token())


def asked(*options: str) -> argparse.Namespace:
    return parse(["watch", "-", "--web", *options])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["127.0.0.1"], "say the port too, 127.0.0.1:8443"),
        (["127.0.0.1:x"], "no HOST:PORT"),
        (["127.0.0.1:70000"], "no HOST:PORT"),
        (["10.0.0.1:8443", "--web-plain", "10.0.0.2"], "the address to serve at is 10.0.0.1"),
        (["0.0.0.0:8443", "--web-plain", "0.0.0.0", "--web-cert", "x"], "leave out --web-plain"),
        (["127.0.0.1:8443", "--web-cert", "/nowhere.pem"], "no such file"),
        (["127.0.0.1:8443", "--json"], "leave one of them out"),
        (["127.0.0.1:8443", "--web-proxy", "proxy.example"], "proxy.example: that is no IP"),
        (["127.0.0.1:8443", "--web-proxy", "10.0.0.7,"], "(nothing): that is no IP address"),
        (["127.0.0.1:8443", "--web-proxy", "10.0.0.0/8"], "10.0.0.0/8: that is no IP address"),
        (["127.0.0.1:8443", "--web-proxy", "10.0.0.7 \x1b]0;x"], "that is no IP address"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_bad_input(options: list[str], why: str) -> None:
    with pytest.raises(BadWeb, match=re.escape(why)) as error:
        wanted_address(asked(*options))
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("options", "tls"),
    [
        (["127.0.0.1:8443"], False),
        (["localhost:8443"], False),
        (["[::1]:8443"], False),
        (["0.0.0.0:8443"], True),
        (["deploy-1:8443"], True),
        (["10.0.0.1:8443", "--web-plain", "10.0.0.1"], False),
    ],
)
def test_tls_is_left_out_on_loopback_or_by_name(options: list[str], tls: bool) -> None:
    assert wanted_address(asked(*options)).tls is tls


def test_proxies_are_named_by_their_addresses() -> None:
    options = ["10.0.0.1:8443", "--web-proxy", "10.0.0.7, fd00:0::7", "--web-proxy", "::1"]
    assert wanted_address(asked(*options)).proxies == {"10.0.0.7", "fd00::7", "::1"}
    assert wanted_address(asked("10.0.0.1:8443")).proxies == frozenset()


async def test_a_bad_proxy_ends_the_command_before_anything_is_served(
    shared: SharedWindow, web
) -> None:
    command = await web(await shared.shared_with("web"), "--web-proxy", "proxy.example")
    assert "proxy.example: that is no IP address" in await command.rest()
    assert command.process.returncode == 2


def test_a_proxy_without_pages_is_bad_input() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "optibid_console", "watch", "-", "--web-proxy", "10.0.0.7"],
        cwd=REPOSITORY, capture_output=True, text=True, input="",
    )  # fmt: skip
    assert done.returncode == 2
    assert "--web-proxy need --web HOST:PORT" in done.stderr


def test_without_textual_serve_it_says_what_to_install() -> None:
    link = Link("127.0.0.1", 1, new_token()).text()
    code = (
        "import sys; sys.modules['textual_serve'] = None; sys.modules['aiohttp'] = None\n"
        "from optibid_console.cli import main\n"
        "sys.exit(main(['watch', sys.argv[1], '--web', '127.0.0.1:0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, link], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "pip install 'optibid-console[web]'" in done.stderr


def test_only_web_loads_a_web_server() -> None:
    code = "import sys; from optibid_console.cli import watching; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert not {"aiohttp", "textual_serve", "jinja2"} & set(done.stdout.split())
