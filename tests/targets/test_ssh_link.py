"""One SSH connection: refused in words, lost, back again, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.connection import delay_s
from optibid_console.targets.ssh import SshTarget
from optibid_console.targets.target import Ending, LinkLost, LinkState, RunEnd, RunSpec
from probes.http import HttpProbe, HttpSettings
from probes.postgres import PostgresProbe, PostgresSettings
from probes.probe import HostError, Seconds, Status, take
from probes.websocket import WebSocketProbe, WebSocketSettings
from tests.servers.mine import MINE
from tests.servers.ports import free_port
from tests.servers.sshd import CuttableLink, Keys, OpenSshServer, asyncssh_server

pytestmark = pytest.mark.server("sshd")


async def refusal(
    spec: TargetSpec, links: list[LinkState] | None = None, connect_timeout_s: float = 10
) -> str:
    """Why there is no connection to it."""
    told = [] if links is None else links
    target = SshTarget(spec, told.append, connect_timeout_s=connect_timeout_s)
    try:
        with pytest.raises(LinkLost) as lost:
            await target.ended("r-1")
        assert lost.value.sent is False
    finally:
        await target.close()
    return str(lost.value)


@asynccontextmanager
async def opened(spec: TargetSpec, links: list[LinkState]) -> AsyncIterator[SshTarget]:
    target = SshTarget(spec, links.append)
    try:
        yield target
    finally:
        await target.close()


@pytest.fixture
async def link(sshd: OpenSshServer, keys: Keys) -> AsyncIterator[CuttableLink]:
    """A link to sshd that can be cut."""
    made = CuttableLink(sshd.port)
    await made.start()
    keys.know(made.port)
    yield made
    await made.stop()


async def becomes(links: list[LinkState], state: str) -> LinkState:
    async with asyncio.timeout(60):
        while not links or links[-1].state != state:
            await asyncio.sleep(0.01)
    return links[-1]


# Why not


async def test_a_name_that_does_not_resolve(keys: Keys) -> None:
    why = await refusal(keys.spec(22, host="no-such-host.invalid"))
    assert "host unknown: the name no-such-host.invalid doesn't resolve" in why


async def test_a_host_that_is_not_in_known_hosts(keys: Keys, sshd: OpenSshServer) -> None:
    keys.known_hosts.write_text("")
    why = await refusal(keys.spec(sshd.port))
    shown = asyncssh.read_private_key(keys.host_key).get_fingerprint()
    assert f"host key unknown: 127.0.0.1:{sshd.port} isn't in {keys.known_hosts}" in why
    assert f"it showed ssh-ed25519 {shown}" in why


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
async def test_a_changed_key_shows_both_fingerprints(
    keys: Keys, sshd: OpenSshServer, tmp_path: Path, algorithm: str
) -> None:
    before = asyncssh.generate_private_key(algorithm)
    before.write_private_key(tmp_path / "before")
    keys.know(sshd.port, tmp_path / "before")
    links: list[LinkState] = []
    why = await refusal(keys.spec(sshd.port), links)
    shown = asyncssh.read_private_key(keys.host_key).get_fingerprint()
    assert "HOST KEY CHANGED" in why
    assert f"showed ssh-ed25519 {shown}" in why
    assert f"known is {algorithm} {before.get_fingerprint()}" in why
    assert [one.state for one in links] == ["connecting", "refused"]


async def test_the_ssh_configuration_cannot_turn_the_check_off(
    keys: Keys, sshd: OpenSshServer, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile none\n")
    why = await refusal(keys.spec(sshd.port, known_hosts="", ssh_config=str(config)))
    assert "host key unknown" in why


async def test_permission_denied_names_user_methods_and_keys(
    keys: Keys, sshd: OpenSshServer, tmp_path: Path
) -> None:
    keys.know(sshd.port)
    stranger = asyncssh.generate_private_key("ssh-ed25519", comment="a stranger's")
    stranger.write_private_key(tmp_path / "stranger")
    why = await refusal(keys.spec(sshd.port, identity=str(tmp_path / "stranger")))
    assert f"permission denied for {getpass.getuser()}@127.0.0.1:{sshd.port}" in why
    assert "the host accepts publickey" in why
    assert f"{stranger.get_fingerprint()} a stranger's" in why


async def test_a_port_where_nobody_listens(keys: Keys) -> None:
    port = free_port()
    why = await refusal(keys.spec(port))
    assert f"127.0.0.1:{port} refused the connection" in why


async def test_a_host_that_says_nothing(keys: Keys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        why = await refusal(keys.spec(mute.getsockname()[1]), connect_timeout_s=0.3)
    assert "took the connection but didn't finish the SSH greeting within 0.3 s" in why


async def test_files_that_are_not_there(keys: Keys) -> None:
    assert "known hosts (/no/such" in await refusal(keys.spec(22, known_hosts="/no/such"))
    assert "the SSH settings can't be used" in await refusal(keys.spec(22, identity="/no/such"))
    assert "the SSH settings can't be used" in await refusal(keys.spec(22, ssh_config="/no/such"))


# Whatever the log-in shell does


async def test_what_start_up_files_print_is_skipped(
    keys: Keys, runs: Path, links: list[LinkState]
) -> None:
    server = OpenSshServer(keys, "ForceCommand echo Welcome; printf 'no newline'; exec /bin/sh")
    keys.know(server.port)
    try:
        async with opened(keys.spec(server.port, run_dir=str(runs)), links) as target:
            assert (await target.execute("echo x", timeout_s=9)).stdout == b"x\n"
            assert await target.launch(RunSpec("r-1", "printf y", 1, 60, window="w"))
            assert [one.data async for one in target.follow("r-1", 0)] == [b"y"]
    finally:
        server.stop()


async def test_an_account_without_a_shell_is_told_with_its_own_words(
    keys: Keys, links: list[LinkState]
) -> None:
    server = OpenSshServer(keys, "ForceCommand echo This account is not available.; exit 1")
    keys.know(server.port)
    try:
        async with opened(keys.spec(server.port), links) as target:
            with pytest.raises(HostError, match=r"doesn't start there: status 1.*not available"):
                await target.execute("true", timeout_s=9)
    finally:
        server.stop()


# Lost and found


async def follow_and_cut(target: SshTarget, link: CuttableLink, got: bytearray) -> None:
    async for chunk in target.follow("r-1", 0):
        got += chunk.data
        link.cut()


async def stream_and_cut(target: SshTarget, link: CuttableLink) -> None:
    async with target.stream("echo a; sleep 60") as chunks:
        async for _ in chunks:
            link.cut()


async def test_a_run_survives_a_cut_link(
    link: CuttableLink, keys: Keys, runs: Path, links: list[LinkState], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    command = f"echo x >>'{tmp_path}/count'; echo one; until [ -e '{gate}' ]; do sleep 0.05; done"
    spec = RunSpec("r-1", f"{command}; echo two", 1, 60, window="w")
    async with opened(keys.spec(link.port, run_dir=str(runs)), links) as target:
        assert await target.launch(spec)
        got = bytearray()
        with pytest.raises(LinkLost):
            await follow_and_cut(target, link, got)
        assert got == b"one\n"
        gate.touch()
        async for chunk in target.follow("r-1", len(got)):
            assert chunk.offset == len(got)
            got += chunk.data
        assert got == b"one\ntwo\n"
        assert await target.ended("r-1") == RunEnd(Ending.EXITED, 0, "", 8)
        assert await target.launch(spec) is False
    assert (tmp_path / "count").read_text() == "x\n"


async def test_a_dead_link_is_noticed_within_five_seconds(
    link: CuttableLink, keys: Keys, runs: Path, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port, run_dir=str(runs)), links) as target:
        await target.launch(RunSpec("r-1", f"sleep 4731.{MINE}", 1, 60, window="w"))
        loop = asyncio.get_running_loop()
        link.freeze()
        frozen = loop.time()
        with pytest.raises(LinkLost):
            async for _ in target.follow("r-1", 0):
                pass
        await becomes(links, "reconnecting")
        assert loop.time() - frozen < 5
        link.cut()
        link.thaw()
        await becomes(links, "connected")
        assert await target.ended("r-1") is None
        await target.cancel("r-1", 1)


async def test_a_launch_on_a_cut_link_may_have_been_sent(
    link: CuttableLink, keys: Keys, runs: Path, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port, run_dir=str(runs)), links) as target:
        await target.execute("true", timeout_s=9)
        launching = asyncio.create_task(target.launch(RunSpec("r-1", "true", 1, 60, window="w")))
        await asyncio.sleep(0)
        link.cut()
        with pytest.raises(LinkLost):
            await launching
        end = await target.ended("r-1")
        assert end is None or end.ending in (Ending.NEVER, Ending.EXITED)


async def test_the_link_is_told_as_it_is(
    link: CuttableLink, keys: Keys, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port), links) as target:
        await target.start()
        connected = await becomes(links, "connected")
        assert connected.latency_ms is not None
        assert connected.latency_ms < 1000
        link.cut()
        lost = await becomes(links, "reconnecting")
        assert "the link was lost" in lost.detail
        await becomes(links, "connected")
    assert [one.state for one in links][:3] == ["connecting", "connected", "reconnecting"]
    assert link.taken == 2


async def test_all_share_one_connection(
    link: CuttableLink, keys: Keys, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port), links) as target:
        calls: list[Awaitable[object]] = [target.execute("true", timeout_s=9) for _ in range(20)]
        await asyncio.gather(*calls)
    assert link.taken == 1


async def test_a_stream_says_that_the_link_was_lost(
    link: CuttableLink, keys: Keys, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port), links) as target:
        with pytest.raises(HostError, match="lost"):
            await stream_and_cut(target, link)


# Through it


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


async def test_a_jump_host_that_cannot_reach_the_target_is_named(
    keys: Keys, sshd: OpenSshServer
) -> None:
    keys.know(sshd.port)
    port = free_port()
    why = await refusal(keys.spec(port, host="localhost", jump=f"127.0.0.1:{sshd.port}"))
    assert "localhost" in why
    assert "through 127.0.0.1" in why or "jump host 127.0.0.1" in why


def test_attempts_get_rarer_and_a_lasting_failure_is_not_hammered() -> None:
    assert [delay_s(one, False, 0.0) for one in (1, 2, 3, 4, 5, 50)] == [0.5, 1, 2, 4, 8, 8]
    assert delay_s(1, False, 1.0) == 0.25
    assert delay_s(1, True, 0.5) == 30
