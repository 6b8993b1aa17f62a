"""`attach ssh://…`: the address, the choice, and the way through a real sshd."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from optibid_console.cli.remote import Address, RemoteEngine, choose, parse_address
from optibid_console.engine_process import Wanted, find_or_start
from optibid_console.entries import Entry
from optibid_console.feed.client import FeedSource
from optibid_console.source import CaughtUp, Lost, SourceError
from tests.home import ROOT, WITHIN_S
from tests.servers.sshd import Keys, OpenSshServer


@pytest.mark.parametrize(
    ("where", "address"),
    [
        ("ssh://app-1/", Address("app-1", 0, "", "")),
        ("ssh://app-1", Address("app-1", 0, "", "")),
        ("ssh://deploy@app-1:2222/", Address("app-1", 2222, "deploy", "")),
        ("ssh://app-1/var/lib/a%20b.journal", Address("app-1", 0, "", "/var/lib/a b.journal")),
        ("ssh://[::1]:22/", Address("::1", 22, "", "")),
    ],
)
def test_an_address(where: str, address: Address) -> None:
    assert parse_address(where) == address


@pytest.mark.parametrize(
    "where",
    [
        "ssh://",
        "ssh:///a",
        "ssh://h:port/",
        "ssh://h:99999/",
        "ssh://-oProxyCommand=x/",
        "ssh://a:b@h/",
    ],
)
def test_what_is_no_address(where: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_address(where)
    assert caught.value.exit_code == 2  # type: ignore[attr-defined]


def listed(*journals: str) -> bytes:
    return json.dumps(
        [{"engine": {"journal": one, "socket": f"/run{one}.sock"}} for one in journals]
    ).encode()


def test_the_engine_that_is_meant() -> None:
    assert choose(listed("/a"), Address("h", 0, "", "")) == "/run/a.sock"
    assert choose(listed("/a", "/b"), Address("h", 0, "", "/b")) == "/run/b.sock"


@pytest.mark.parametrize(
    ("answer", "journal", "says"),
    [
        (listed(), "", "no window runs there"),
        (listed("/a"), "/b", "no engine runs the window in /b"),
        (listed("/a", "/b"), "", r"say which:\n  optibid-console attach ssh://h/a\n"),
        (b"sh: optibid\x1b[2J", "", r"can't be read: sh: optibid$"),
        (b"{}x", "", "can't be read"),
        (b"[1]", "", "can't be read"),
        (b'[{"engine": null}]', "", "can't be read"),
    ],
)
def test_an_answer_that_leads_nowhere(answer: bytes, journal: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        choose(answer, Address("h", 0, "", journal))


@pytest.mark.server("sshd")
async def test_a_window_is_attached_to_through_ssh_also_after_a_drop(home) -> None:
    ssh = home.path / ".ssh"
    ssh.mkdir()
    keys = Keys(ssh)
    command = home.path / "bin" / "optibid-console"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m optibid_console "$@"\n')
    command.chmod(0o755)
    there = (
        f"SetEnv PATH={command.parent}:/usr/bin:/bin XDG_STATE_HOME={home.path}/state "
        f"XDG_RUNTIME_DIR={home.path}/run PYTHONPATH={ROOT}"
    )
    server = await asyncio.to_thread(OpenSshServer, keys, there)
    keys.know(server.port)
    (ssh / "config").write_text(f"Host *\n  IdentityFile {keys.identity}\n")
    try:
        await find_or_start(Wanted(home.config, "Little window", "ann"))
        engine = RemoteEngine(f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}/")
        source = FeedSource(engine.dial, "ann", "drive", on_close=engine.close)
        seen: list[object] = []
        async with aclosing(source.events()) as events, asyncio.timeout(WITHIN_S):
            async for event in events:
                seen.append(event)
                if isinstance(event, CaughtUp):
                    if any(isinstance(one, Lost) for one in seen):
                        break
                    await asyncio.to_thread(server.drop)
        seqs = [one.seq for one in seen if isinstance(one, Entry)]
        assert seqs == list(range(1, seqs[-1] + 1))
    finally:
        await asyncio.to_thread(server.stop)


@pytest.mark.server("sshd")
async def test_a_host_without_the_console_says_so(home) -> None:
    ssh = home.path / ".ssh"
    ssh.mkdir()
    keys = Keys(ssh)
    server = await asyncio.to_thread(OpenSshServer, keys, "SetEnv PATH=/usr/bin:/bin")
    keys.know(server.port)
    Path(ssh / "config").write_text(f"Host *\n  IdentityFile {keys.identity}\n")
    engine = RemoteEngine(f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}/")
    try:
        with pytest.raises(SourceError, match=r"status` fails there: .*not found.*installed"):
            await engine.dial()
    finally:
        await engine.close()
        await asyncio.to_thread(server.stop)
