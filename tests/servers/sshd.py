"""Real SSH servers for tests: OpenSSH's sshd and asyncssh's, and a link that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE
from typing import Any

import asyncssh

from optibid_console.runbook.model import TargetSpec
from tests.servers.ports import free_port

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin:/usr/local/sbin")


class Keys:
    """A user's key, a host's key and the known hosts file for it, in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.identity = directory / "identity"
        self.host_key = directory / "host_key"
        self.authorized = directory / "authorized_keys"
        self.known_hosts = directory / "known_hosts"
        user = asyncssh.generate_private_key("ssh-ed25519", comment="the test's key")
        host = asyncssh.generate_private_key("ssh-ed25519")
        for path, key in ((self.identity, user), (self.host_key, host)):
            key.write_private_key(path)
            path.chmod(0o600)
        user.write_public_key(self.authorized)
        self.known_hosts.touch()

    def know(self, port: int, key: Path | None = None, host: str = "127.0.0.1") -> None:
        """Make `key` (the host's) the known one of that port, and no other."""
        public = asyncssh.read_private_key(key or self.host_key).export_public_key().decode()
        self.known_hosts.write_text(f"[{host}]:{port} {public}")

    def know_all(self, *ports: int) -> None:
        """Make the host's key the known one of each of these ports."""
        public = asyncssh.read_private_key(self.host_key).export_public_key().decode()
        self.known_hosts.write_text("".join(f"[127.0.0.1]:{port} {public}" for port in ports))

    def spec(self, port: int, **changes: str) -> TargetSpec:
        """The runbook's target for the server on that port."""
        given = {
            "id": "app-1",
            "host": "127.0.0.1",
            "user": getpass.getuser(),
            "identity": str(self.identity),
            "known_hosts": str(self.known_hosts),
            **changes,
        }
        return replace(TargetSpec("", port=port), **given)  # type: ignore[arg-type]


def ssh_target(path: Path, spec: TargetSpec, name: str = "there") -> str:
    """The runbook's table of an SSH host that shares this machine's files: its runs, and where
    commands start, are in `path`."""
    return (
        f'[targets.{name}]\nkind = "ssh"\nhost = "{spec.host}"\nport = {spec.port}\n'
        f'user = "{spec.user}"\nidentity = "{spec.identity}"\n'
        f'known_hosts = "{spec.known_hosts}"\nrun_dir = "{path}/runs"\ncwd = "{path}"\n'
    )


class OpenSshServer:
    """OpenSSH's sshd for the user who runs the tests; `prefix` may put it somewhere else."""

    def __init__(
        self,
        keys: Keys,
        *settings: str,
        address: str = "127.0.0.1",
        prefix: tuple[str, ...] = (),
    ) -> None:
        assert SSHD is not None
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.port = free_port()
        self._config = keys.directory / f"sshd_config-{self.port}"
        self._prefix = prefix
        lines = [
            f"Port {self.port}", f"ListenAddress {address}", f"HostKey {keys.host_key}",
            f"AuthorizedKeysFile {keys.authorized}", "PidFile none", "StrictModes no",
            "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
            "PermitRootLogin yes", *settings,
        ]  # fmt: skip
        self._config.write_text("\n".join(lines))
        self.start()

    def start(self) -> None:
        """Listen, also again after `kill`."""
        assert SSHD is not None
        log = self._config.with_suffix(".log")
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*self._prefix, SSHD, "-D", "-e", "-f", str(self._config)],
                stdin=subprocess.DEVNULL, stderr=stderr, start_new_session=True,
            )  # fmt: skip
        _until_listening(self._process, log)

    def drop(self) -> None:
        """End every connection at once, as when its process is killed. What the sessions
        run is left alone."""
        for pid in _children(self._process.pid, "sshd"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the listener, then every connection."""
        sessions = _children(self._process.pid, "sshd")
        self._process.kill()
        self._process.wait()
        for pid in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        self.drop()
        self._process.terminate()
        self._process.wait()


@contextlib.asynccontextmanager
async def asyncssh_server(keys: Keys, **options: object) -> AsyncIterator[int]:
    """An asyncssh server in this process that runs commands; gives its port."""
    children: list[asyncio.subprocess.Process] = []

    async def serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", process.command or "exit 1",
            stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True,
        )  # fmt: skip
        children.append(child)
        feeding = asyncio.create_task(_pass_on(process.stdin, child.stdin))
        try:
            outputs = ((child.stdout, process.stdout), (child.stderr, process.stderr))
            await asyncio.gather(*(_pass_on(*pair) for pair in outputs))
            process.exit(await child.wait())
        finally:
            feeding.cancel()
            child.stdin.close()  # type: ignore[union-attr]  # it is a pipe

    given: dict[str, object] = {
        "server_host_keys": [str(keys.host_key)],
        "authorized_client_keys": str(keys.authorized),
        "process_factory": serve,
        "encoding": None,
        "server_factory": _Forwarding,
        **options,
    }
    listener = await asyncssh.listen("127.0.0.1", 0, **given)
    try:
        yield listener.get_port()
    finally:
        listener.close()
        await listener.wait_closed()
        for child in children:
            child._transport.close()  # type: ignore[attr-defined]  # a daemon may hold its pipes
            await child.wait()


async def _pass_on(reader: Any, writer: Any) -> None:
    """All that is read, until the end of it or of the link."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    if isinstance(writer, asyncio.StreamWriter):
        writer.close()


class _Forwarding(asyncssh.SSHServer):
    def connection_requested(self, *_: object) -> bool:
        return True

    def unix_connection_requested(self, *_: object) -> bool:
        return True


class CuttableLink:
    """A TCP relay in front of a server: it can be cut, and it can go silent."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.port = 0
        self.taken = 0
        """How many connections came in."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    def freeze(self) -> None:
        """Pass nothing on any more, and say nothing: as an unplugged cable."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    async def stop(self) -> None:
        self._server.close()
        self.cut()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:  # nobody listens there just now
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(back)
        pumps = {
            asyncio.create_task(self._pump(reader, back)),
            asyncio.create_task(self._pump(there, writer)),
        }
        self._pumps |= pumps
        await asyncio.wait(pumps)
        self._writers -= {writer, back}
        self._pumps -= pumps

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


def _until_listening(sshd: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and sshd.poll() is None:
        if b"Server listening on" in log.read_bytes():
            return
        time.sleep(0.01)
    raise RuntimeError(f"sshd doesn't listen: {log.read_text()}")


def _children(pid: int, name: str) -> list[int]:
    """All descendants of a process that have that name, down to the first with another one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            head, _, rest = entry.read_text().rpartition(") ")
            if int(rest.split()[1]) == pid and head.partition("(")[2].startswith(name):
                child = int(entry.parent.name)
                found += [child, *_children(child, name)]
    return found
