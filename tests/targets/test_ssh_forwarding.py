"""What is reached through an SSH host: ports, sockets, and hosts behind it."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import socket
from collections.abc import Awaitable
from pathlib import Path

import asyncssh
import pytest

from optibid_console.targets.forwards import refused_there
from optibid_console.targets.target import LinkState
from probes.http import HttpProbe, HttpSettings
from probes.metrics_page import MetricsProbe, MetricsSettings
from probes.postgres import PostgresProbe, PostgresSettings
from probes.probe import Seconds, Status, take
from probes.websocket import WebSocketProbe, WebSocketSettings
from tests.servers.ports import free_port
from tests.servers.sshd import CuttableLink, Keys, OpenSshServer, asyncssh_server
from tests.targets.ssh_links import becomes, opened

pytestmark = pytest.mark.server("sshd")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(100))
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.close()


async def said_back(opening: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> bytes:
    reader, writer = await opening
    writer.write(b"hello")
    try:
        async with asyncio.timeout(60):
            return await reader.read(100)
    finally:
        writer.close()


async def test_a_port_stays_reachable_over_a_reconnect(
    link: CuttableLink, keys: Keys, links: list[LinkState]
) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(keys.spec(link.port), links) as target:
        here = await target.reach("127.0.0.1", port)
        assert here[1] != port
        assert await said_back(asyncio.open_connection(*here)) == b"hello"
        link.cut()
        await becomes(links, "reconnecting")
        await becomes(links, "connected")
        assert await target.reach("127.0.0.1", port) == here
        assert await said_back(asyncio.open_connection(*here)) == b"hello"


@pytest.mark.parametrize("kind", ["http", "postgres", "websocket"])
async def test_a_refusal_over_there_is_told_as_one(
    link: CuttableLink, keys: Keys, links: list[LinkState], kind: str
) -> None:
    port = free_port()
    given = {
        "http": HttpProbe("it", HttpSettings(f"http://127.0.0.1:{port}/"), None),
        "postgres": PostgresProbe("it", PostgresSettings(host="127.0.0.1", port=port), None),
        "websocket": WebSocketProbe("it", WebSocketSettings(f"ws://127.0.0.1:{port}/"), None),
    }
    async with opened(keys.spec(link.port), links) as target:
        probe = given[kind]
        probe._host = target
        reading = await take(probe, Seconds(5.0))
        await probe.close()
    assert (reading.status, reading.summary) == (
        Status.FAILING,
        f"127.0.0.1:{port} refused the connection",
    )


async def test_a_metrics_page_over_there_that_nobody_serves_is_told_as_one(
    link: CuttableLink, keys: Keys, links: list[LinkState]
) -> None:
    url = f"http://127.0.0.1:{free_port()}/metrics"
    async with opened(keys.spec(link.port), links) as target:
        probe = MetricsProbe("ws", MetricsSettings(url, gauge="ws"), target)
        reading = await take(probe, Seconds(5.0))
        await probe.close()
    assert (reading.status, reading.summary) == (Status.ERROR, f"nothing listens at {url}")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("Connection refused", ConnectionRefusedError),
        ("[Errno 111] Connect call failed ('127.0.0.1', 8000)", ConnectionRefusedError),
        ("Connection timed out", TimeoutError),
        ("Name or service not known", socket.gaierror),
    ],
)
def test_what_a_server_says_of_a_connection_it_could_not_make(
    reason: str, kind: type[OSError]
) -> None:
    error = refused_there(reason)
    assert type(error) is kind
    assert "Errno" not in (error.strerror or "")


async def test_a_name_that_only_that_machine_would_know_is_told_as_unknown(
    link: CuttableLink, keys: Keys, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port), links) as target:
        probe = HttpProbe("it", HttpSettings("http://db.invalid:1/"), target)
        reading = await take(probe, Seconds(5.0))
        await probe.close()
    assert (reading.status, reading.summary) == (Status.FAILING, "no such host name: db.invalid")


async def test_forwarding_that_the_host_forbids_is_no_fault_of_the_service(
    keys: Keys, links: list[LinkState]
) -> None:
    sshd = OpenSshServer(keys, "AllowTcpForwarding no")
    keys.know(sshd.port)
    try:
        async with opened(keys.spec(sshd.port), links) as target:
            probe = HttpProbe("it", HttpSettings("http://127.0.0.1:1/"), target)
            reading = await take(probe, Seconds(5.0))
            await probe.close()
    finally:
        sshd.stop()
    assert reading.status is Status.ERROR
    assert reading.summary == (
        "app-1 lets nobody connect to 127.0.0.1:1 through it (AllowTcpForwarding of its sshd)"
    )


async def test_a_socket_is_reached_in_private_and_removed(
    link: CuttableLink, keys: Keys, links: list[LinkState], tmp_path: Path
) -> None:
    path = str(tmp_path / "there.sock")
    server = await asyncio.start_unix_server(echo, path)
    async with server, opened(keys.spec(link.port), links) as target:
        here = Path(await target.reach_socket(path))
        assert here.parent.stat().st_mode & 0o777 == 0o700
        assert await said_back(asyncio.open_unix_connection(here)) == b"hello"
    assert not here.parent.exists()


@pytest.mark.parametrize("named_in", ["runbook", "ssh configuration"])
async def test_through_a_jump_host(
    keys: Keys, sshd: OpenSshServer, links: list[LinkState], tmp_path: Path, named_in: str
) -> None:
    async with asyncssh_server(keys) as jump_port:
        public = asyncssh.read_private_key(keys.host_key).export_public_key().decode()
        ports = (sshd.port, jump_port)
        keys.known_hosts.write_text("".join(f"[127.0.0.1]:{one} {public}" for one in ports))
        config = tmp_path / "config"
        config.write_text(
            f"Host app\n  HostName 127.0.0.1\n  ProxyJump jumper\n"
            f"Host jumper\n  HostName 127.0.0.1\n  Port {jump_port}\n"
        )
        given = (
            {"jump": f"{getpass.getuser()}@127.0.0.1:{jump_port}", "host": "localhost"}
            if named_in == "runbook"
            else {"host": "app", "ssh_config": str(config)}
        )
        if named_in == "runbook":
            keys.known_hosts.write_text(
                keys.known_hosts.read_text() + f"[localhost]:{sshd.port} {public}"
            )
        async with opened(keys.spec(sshd.port, **given), links) as target:
            done = await target.execute("echo $SSH_CONNECTION", timeout_s=9)
            assert done.stdout.split()[3] == str(sshd.port).encode()
