"""Addresses here through which an SSH host's own addresses are reached."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from probes.text import one_line

_THERE = {
    "refused": errno.ECONNREFUSED,
    "no route": errno.EHOSTUNREACH,
    "network is unreachable": errno.EHOSTUNREACH,
    "timed out": errno.ETIMEDOUT,
}
"""What an SSH server says of a connection that it couldn't make (strerror(3)) → errno."""

_UNKNOWN_NAME = ("name or service not known", "no address", "nodename nor servname")


_ERRNO = re.compile(r"\[Errno (\d{1,3})\]")


def refused_there(reason: str) -> OSError:
    """The error that the SSH server had when it couldn't connect for us (RFC 4254, 5.1)."""
    said = one_line(reason)
    if any(words in said.lower() for words in _UNKNOWN_NAME):
        return socket.gaierror(socket.EAI_NONAME, said)
    if number := _ERRNO.search(said):  # a server that is written in Python
        return OSError(int(number[1]), os.strerror(int(number[1])))
    code = next((one for words, one in _THERE.items() if words in said.lower()), errno.EIO)
    return OSError(code, said)


@dataclass(slots=True)
class _Forward:
    """One address over there, and the port or the socket here that leads to it."""

    host: str = ""
    port: int = 0
    path: str = ""
    local_port: int = 0
    local_path: str = ""
    carrier: asyncssh.SSHClientConnection | None = None
    listener: asyncssh.SSHListener | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open_on(self, connection: asyncssh.SSHClientConnection) -> None:
        """Lead through `connection`, at the same address here as before."""
        async with self.lock:
            if self.carrier is connection:
                return
            if self.listener is not None:
                self.listener.close()
            if self.path:
                self.listener = await connection.forward_local_path(self.local_path, self.path)
            else:
                self.listener = await self._port_on(connection)
                self.local_port = self.listener.get_port()
            self.carrier = connection

    async def _port_on(self, connection: asyncssh.SSHClientConnection) -> asyncssh.SSHListener:
        here = "127.0.0.1"
        try:
            return await connection.forward_local_port(here, self.local_port, self.host, self.port)
        except OSError:  # somebody took that port meanwhile: `reach` then gives another
            return await connection.forward_local_port(here, 0, self.host, self.port)


class Forwards:
    """The forwards of one host. They keep their addresses here over reconnects."""

    def __init__(self) -> None:
        self._ports: dict[tuple[str, int], _Forward] = {}
        self._sockets: dict[str, _Forward] = {}
        self._directory: Path | None = None

    async def port(
        self, connection: asyncssh.SSHClientConnection, host: str, port: int
    ) -> tuple[str, int]:
        """The address here that leads to `host:port`. Raises `OSError`."""
        forward = self._ports.setdefault((host, port), _Forward(host, port))
        await forward.open_on(connection)
        return "127.0.0.1", forward.local_port

    async def socket(self, connection: asyncssh.SSHClientConnection, path: str) -> str:
        """The socket here, in a directory that only this user can enter. Raises `OSError`."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="optibid-console-"))
        local = str(self._directory / f"{len(self._sockets)}.sock")
        forward = self._sockets.setdefault(path, _Forward(path=path, local_path=local))
        await forward.open_on(connection)
        return forward.local_path

    async def renew(self, connection: asyncssh.SSHClientConnection) -> None:
        """Lead all of them through a new connection. Raises `OSError`."""
        for forward in (*self._ports.values(), *self._sockets.values()):
            await forward.open_on(connection)

    def close(self) -> None:
        for forward in (*self._ports.values(), *self._sockets.values()):
            if forward.listener is not None:
                forward.listener.close()
        if self._directory is not None:
            shutil.rmtree(self._directory)
        self._directory = None
