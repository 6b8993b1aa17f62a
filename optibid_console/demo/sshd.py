"""app-1's SSH server: real shells in the demo's host directory, public keys only.

`python -m optibid_console.demo.sshd ROOT PORT` says `ready` on stdout when it listens.
It does what sshd(8) does for commands: `exec` with bytes both ways, exit status and
signals, forwarding to this machine's ports. No terminals, no client's environment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncssh

from optibid_console.demo.place import HOST_NAME, USER, Place
from optibid_console.demo.processes import marked_environment
from optibid_console.printed import say

_PIECE = 256 * 1024
_T = TypeVar("_T")
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


class HostServer(asyncssh.SSHServer):
    """Lets `deploy` in by its key, and forwards to this machine only."""

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        return dest_host in _LOCAL


class Sessions:
    """Runs what the sessions ask for, each in a process group of its own."""

    def __init__(self, place: Place) -> None:
        self._place = place
        inherited = marked_environment(place.root)
        self._env = {
            **inherited,
            "PATH": f"{place.host / 'bin'}:{inherited['PATH']}",
            "HOME": str(place.host),
            "USER": USER,
            "LOGNAME": USER,
            "SHELL": "/bin/sh",
            "HOSTNAME": HOST_NAME,
        }

    async def serve(self, session: asyncssh.SSHServerProcess[bytes]) -> None:
        """One session, from its command to its exit status."""
        argv = ["-c", session.command] if session.command is not None else []
        shell = await asyncio.create_subprocess_exec(
            "/bin/sh",
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_PIECE,
            cwd=self._place.host,
            env=self._env,
            start_new_session=True,
        )
        feeding = asyncio.create_task(_feed(session, shell))
        closing = asyncio.create_task(_end_with_channel(session, shell))
        try:
            await asyncio.gather(
                _pump(_of(shell.stdout).read, session.stdout),
                _pump(_of(shell.stderr).read, session.stderr),
            )
            status = await shell.wait()
            if status < 0:
                session.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
            else:
                session.exit(status)
        except (BrokenPipeError, ConnectionError, asyncssh.Error):
            _kill_group(shell, signal.SIGHUP)  # the client went away in the middle of it
        finally:
            for task in (feeding, closing):
                task.cancel()
            await asyncio.gather(feeding, closing, return_exceptions=True)


async def _end_with_channel(
    session: asyncssh.SSHServerProcess[bytes], shell: asyncio.subprocess.Process
) -> None:
    """A session that goes away takes its process group with it; what was detached stays."""
    await session.wait_closed()
    _kill_group(shell, signal.SIGHUP)
    _kill_group(shell, signal.SIGTERM)


async def _pump(read: Callable[[int], Awaitable[bytes]], writer: asyncssh.SSHWriter[bytes]) -> None:
    while piece := await read(_PIECE):
        writer.write(piece)
        await writer.drain()


async def _feed(
    session: asyncssh.SSHServerProcess[bytes], shell: asyncio.subprocess.Process
) -> None:
    """The client's bytes into the command's stdin; its signals to the process group."""
    stdin = _of(shell.stdin)
    while True:
        try:
            piece = await session.stdin.read(_PIECE)
        except asyncssh.SignalReceived as received:
            _kill_group(shell, signal.Signals[f"SIG{received.signal}"])
            continue
        except asyncssh.BreakReceived:
            _kill_group(shell, signal.SIGINT)
            continue
        if not piece:
            stdin.close()
            return
        try:
            stdin.write(piece)
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return  # the command doesn't read any more, which is its right


def _kill_group(shell: asyncio.subprocess.Process, number: signal.Signals) -> None:
    try:
        os.killpg(shell.pid, number)
    except ProcessLookupError:
        return  # nobody is left in the group


def _of(stream: _T | None) -> _T:
    assert stream is not None, "all three are pipes"
    return stream


async def serve(place: Place, port: int) -> None:
    """Listen on 127.0.0.1 until this process is told to end."""
    sessions = Sessions(place)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=HostServer,
        server_host_keys=[str(place.keys / "host_ed25519")],
        authorized_client_keys=str(place.keys / "authorized_keys"),
        process_factory=sessions.serve,
        encoding=None,
        allow_pty=False,
        encryption_algs=["aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr"],
        login_timeout=10,
    )
    say("ready")
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Place(Path(sys.argv[1])), int(sys.argv[2])))
