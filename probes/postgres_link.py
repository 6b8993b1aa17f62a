"""One kept connection to a PostgreSQL database, made anew when it is gone, never hanging."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from probes import reaching
from probes.deadline import time_left_s
from probes.probe import Host, ProbeError

_ANSWER_S = 0.25
"""For the server's word that it has ended a statement: a busy machine and a far one take longer."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which database, for people: no password."""

    name: str
    port: int
    dbname: str

    @property
    def words(self) -> str:
        return f"database {self.dbname or 'of the user'} at {self.name}:{self.port}"


class Link:
    """A connection to one database, from here or as `host` sees it.

    `parameters` are libpq's keywords (PostgreSQL manual, 34.1.2); a host is required.
    """

    def __init__(self, parameters: Mapping[str, Any], host: Host | None) -> None:
        self._parameters = parameters
        self._host = host
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self.hung = False
        """The last use was cut off because the server said nothing in time."""
        self.where = Where(
            str(parameters["host"]), int(parameters["port"]), str(parameters.get("dbname", ""))
        )

    @property
    def password(self) -> str:
        return str(self._parameters.get("password") or "")

    async def connected(self) -> psycopg.AsyncConnection[Any]:
        """The kept connection, or a new one when it is gone.

        Raises `psycopg.Error`, `OSError`, `TimeoutError`, and `ProbeError` when the host
        can't be reached.
        """
        self.hung = False
        if self._connection is not None and not _is_alive(self._connection):
            await self.drop()
        if self._connection is None:
            self._connection = await self._connect()
            await self._connection.set_read_only(True)
        return self._connection

    async def drop(self) -> None:
        """Close the connection, if there is one; the next use makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    @contextmanager
    def cut_off_after(self, seconds: float) -> Iterator[None]:
        """Let nothing inside wait longer: the socket is shut down then.

        Cancelling instead would make psycopg ask the server to cancel and wait for its
        answer, up to 10 s from a server that is frozen or behind a dead link.
        """
        timer = asyncio.get_running_loop().call_later(seconds, self._cut)
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        if self._connection is not None and not self._connection.closed:
            self.hung = True
            with socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        name, port = self.where.name, self.where.port
        if name.startswith("/"):
            if self._host is not None:
                raise ProbeError(f"{name}: a socket isn't reached through a target: give a host")
            return await self._connect_at({})
        tried = await reaching.addresses(self._host, name, port)
        for address, at_port in tried[:-1]:
            try:
                return await self._connect_at({"hostaddr": address, "port": at_port}, len(tried))
            except (psycopg.OperationalError, TimeoutError):
                continue
        address, at_port = tried[-1]
        return await self._connect_at({"hostaddr": address, "port": at_port})

    async def _connect_at(
        self, place: Mapping[str, Any], shares: int = 1
    ) -> psycopg.AsyncConnection[Any]:
        async with asyncio.timeout(time_left_s() / shares):
            return await psycopg.AsyncConnection.connect(
                **{**self._parameters, **place}, prepare_threshold=None
            )


def _is_alive(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether an idle connection is still there: a server that left has sent its goodbye."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    return not poll.poll(0)


def statement_limit_ms(left_s: float) -> int:
    """Returns the server's own limit: as much earlier than ours as its word takes to get here."""
    return max(1, int((left_s - min(_ANSWER_S, left_s / 4)) * 1000))
