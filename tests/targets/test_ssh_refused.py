"""No connection: in words that say why."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import asyncssh
import pytest

from optibid_console.targets.target import LinkState
from tests.servers.ports import free_port
from tests.servers.sshd import Keys, OpenSshServer
from tests.targets.ssh_links import refusal

pytestmark = pytest.mark.server("sshd")


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


async def test_a_jump_host_that_cannot_reach_the_target_is_named(
    keys: Keys, sshd: OpenSshServer
) -> None:
    keys.know(sshd.port)
    port = free_port()
    why = await refusal(keys.spec(port, host="localhost", jump=f"127.0.0.1:{sshd.port}"))
    assert "localhost" in why
    assert "through 127.0.0.1" in why or "jump host 127.0.0.1" in why
