"""An SSH host as a target: the same shell texts as everywhere, through one connection."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncssh

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.connection import Connection
from optibid_console.targets.forwards import Forwards, refused_there
from optibid_console.targets.login import Login
from optibid_console.targets.shell_target import ShellTarget
from optibid_console.targets.talk import Reader, Talk
from optibid_console.targets.target import LinkListener, LinkLost, TargetError
from probes.error_words import error_words
from probes.probe import HostError
from probes.text import one_line

_LEAVE_S = 2.0
_LOOK_S = 1.0
_PREAMBLE_BYTES = 64 * 1024
_ERRORS = (OSError, asyncssh.Error)


class SshTarget(ShellTarget):
    """Commands on an SSH host. All of them share one connection, which comes back by itself."""

    def __init__(
        self, spec: TargetSpec, on_link: LinkListener, *, connect_timeout_s: float = 10.0
    ) -> None:
        super().__init__(spec)
        self._forwards = Forwards()
        self._connection = Connection(
            spec, on_link, self._forwards.renew, timeout_s=connect_timeout_s
        )
        self._login = Login(spec, connect_timeout_s)

    async def start(self) -> None:
        """Begin to connect; otherwise the first use does."""
        self._connection.start()

    async def close(self) -> None:
        """End the connection, its forwards and whatever was listened to. Runs go on."""
        self._forwards.close()
        await self._connection.close()

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        try:
            return await self._forwards.port(await self._connection.get(), host, port)
        except (LinkLost, *_ERRORS) as error:
            raise HostError(f"{host}:{port} can't be reached: {error_words(error)}") from error

    async def knock(self, host: str, port: int) -> None:
        try:
            connection = await self._connection.get()
            _, writer = await connection.open_connection(host, port)
        except asyncssh.ChannelOpenError as error:
            if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise HostError(
                    f"{self.name} lets nobody connect to {host}:{port} through it "
                    "(AllowTcpForwarding of its sshd)"
                ) from error
            raise refused_there(error.reason) from error
        except (LinkLost, *_ERRORS) as error:
            raise HostError(f"{host}:{port} can't be reached: {error_words(error)}") from error
        writer.close()

    async def reach_socket(self, path: str) -> str:
        try:
            return await self._forwards.socket(await self._connection.get(), path)
        except (LinkLost, *_ERRORS) as error:
            raise HostError(f"{path} can't be reached: {error_words(error)}") from error

    async def authenticate(self, not_before: float) -> None:
        await self._login.check(not_before)

    def _unreached(self) -> str:
        return self._connection.trouble

    @asynccontextmanager
    async def _open(self, text: str) -> AsyncIterator[Talk]:
        connection = await self._connection.get()
        try:
            # The log-in shell may be anything: it reads nothing but this one word and a path.
            process = await connection.create_process(
                "exec /bin/sh", encoding=None, request_pty=False, term_type=None
            )
        except asyncssh.ChannelOpenError as error:
            raise LinkLost(
                f"{self.name}: no further session ({one_line(error.reason)}); "
                "the host's MaxSessions may be too low",
                sent=False,
            ) from error
        except _ERRORS as error:
            raise LinkLost(f"{self.name}: {one_line(str(error))}", sent=False) from error
        talk = _SshTalk(self.name, process)
        try:
            await talk.begin(text)
            yield talk
        finally:
            process.close()
            await asyncio.shield(_gone(process))


class _SshTalk:
    def __init__(self, name: str, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._name = name
        self._process = process
        self.stdout: Reader = _SshReader(name, process.stdout)
        self.stderr: Reader = _SshReader(name, process.stderr)

    async def begin(self, text: str) -> None:
        """Send the text, and skip what the host's start-up files print before it runs."""
        mark = f"optibid-console-{secrets.token_hex(8)}"
        opened = f"printf '%s\\n' {mark}\n{text}"
        try:
            self._process.stdin.write(opened.encode("utf-8", "surrogateescape"))
            before = await self._process.stdout.readuntil(f"{mark}\n".encode())
        except asyncio.IncompleteReadError as error:
            status = await self.exit_status()
            stderr = await self.stderr.read(_PREAMBLE_BYTES)
            said = one_line(stderr or error.partial, 200) or "nothing"
            raise TargetError(
                f"{self._name}: /bin/sh doesn't start there: status {status}, it said: {said}"
            ) from error
        except _ERRORS as error:
            raise LinkLost(f"{self._name}: the link was lost: {one_line(str(error))}") from error
        if len(before) > _PREAMBLE_BYTES:
            raise TargetError(f"{self._name}: its start-up files print without end")

    async def ended(self) -> None:
        """asyncssh tells nobody of an exit status before the channel is closed as well."""
        process = self._process
        while process.exit_signal is None and process.exit_status is None:
            if process.is_closing():
                return
            await asyncio.sleep(_LOOK_S)

    async def exit_status(self) -> int:
        """asyncssh gives no status and raises nothing when the link went away."""
        await self._process.wait_closed()
        if self._process.exit_signal:
            raise LinkLost(f"{self._name}: the shell was killed ({self._process.exit_signal[0]})")
        if self._process.exit_status is None:
            raise LinkLost(f"{self._name}: the link was lost before the command ended")
        return self._process.exit_status


class _SshReader:
    def __init__(self, name: str, reader: asyncssh.SSHReader[bytes]) -> None:
        self._name = name
        self._reader = reader

    async def read(self, size: int) -> bytes:
        try:
            return await self._reader.read(size)
        except _ERRORS as error:
            raise LinkLost(f"{self._name}: the link was lost: {one_line(str(error))}") from error


async def _gone(process: asyncssh.SSHClientProcess[bytes]) -> None:
    """Wait until the channel is closed; a silent host doesn't hold that up."""
    try:
        async with asyncio.timeout(_LEAVE_S):
            await process.wait_closed()
    except TimeoutError:
        return
    except _ERRORS:
        return  # the link is gone, and the channel with it
