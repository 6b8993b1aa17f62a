"""app-1's SSH server does for commands what sshd(8) does."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from optibid_console.demo.place import HOST_NAME, PUBLIC_NAME
from optibid_console.demo.processes import wait_until
from optibid_console.demo.stack import Stack

Ssh = asyncssh.SSHClientConnection


async def test_a_command_runs_at_home_with_both_outputs_and_its_status(
    ssh: Ssh, stack: Stack
) -> None:
    done = await ssh.run("pwd; echo no >&2; exit 7")
    assert (done.stdout, done.stderr, done.exit_status) == (f"{stack.place.host}\n", "no\n", 7)


async def test_bytes_go_through_unchanged(ssh: Ssh) -> None:
    every_byte = bytes(range(256)) * 4000
    done = await ssh.run("cat", input=every_byte, encoding=None)
    assert done.stdout == every_byte


async def test_the_client_s_environment_is_not_taken(ssh: Ssh) -> None:
    done = await ssh.run('echo "${SECRET-none}"', env={"SECRET": "x"})
    assert done.stdout == "none\n"


async def test_a_signal_s_name_comes_back(ssh: Ssh) -> None:
    done = await ssh.run("kill -TERM $$")
    assert done.exit_signal is not None
    assert done.exit_signal[0] == "TERM"


async def test_a_signal_reaches_the_command(ssh: Ssh) -> None:
    process = await ssh.create_process("trap 'echo got it; exit 3' USR1; echo up; read line")
    assert await process.stdout.readline() == "up\n"
    process.send_signal("USR1")
    done = await process.wait()
    assert (done.stdout, done.exit_status) == ("got it\n", 3)


async def test_a_command_ends_with_its_connection_and_a_detached_one_does_not(
    stack: Stack, connect: Callable[[Stack], Any], tmp_path: Path
) -> None:
    fifo, reading, finished = (tmp_path / name for name in ("fifo", "reading", "finished"))
    os.mkfifo(fifo)
    async with connect(stack) as connection:
        detached = f"touch {reading}; cat {fifo}; touch {finished}"
        process = await connection.create_process(
            f"setsid sh -c '{detached}' </dev/null >/dev/null 2>&1 & echo $$; exec sleep 1000"
        )
        pid = int(await process.stdout.readline())
        assert await asyncio.to_thread(_eventually, reading.exists)
    assert await asyncio.to_thread(_gone, pid)
    assert await asyncio.to_thread(_eventually, lambda: _is_read(fifo))
    assert await asyncio.to_thread(_eventually, finished.exists)


async def test_it_forwards_to_this_machine_only(ssh: Ssh, stack: Stack) -> None:
    reader, writer = await ssh.open_connection("127.0.0.1", stack.ports.backend, encoding=None)
    writer.write(f"GET /health HTTP/1.0\r\nHost: {PUBLIC_NAME}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    with pytest.raises(asyncssh.ChannelOpenError):
        await ssh.open_connection("192.0.2.1", 80)


async def test_another_key_is_refused(stack: Stack) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            HOST_NAME,
            config=[str(stack.place.ssh_config)],
            known_hosts=str(stack.place.known_hosts),
            client_keys=[key],
            agent_path=None,
        )


@pytest.mark.server("ssh")
def test_openssh_s_client_talks_to_it(stack: Stack) -> None:
    done = subprocess.run(
        ["ssh", "-F", str(stack.place.ssh_config), HOST_NAME, "bin/backend status"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("backend runs, v2.3.0")


def _gone(pid: int) -> bool:
    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        except OSError:
            return True

    return _eventually(ended)


def _eventually(true: Callable[[], bool]) -> bool:
    wait_until(true, 10, "it did not happen")
    return True


def _is_read(fifo: Path) -> bool:
    """Open and close the FIFO for writing: its reader then comes to the end."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:  # ENXIO: nobody reads
        return False
    return True
