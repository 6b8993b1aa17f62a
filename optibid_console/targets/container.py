"""A container as a target: the same shell texts as everywhere, through Docker's exec."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import docker.errors

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.docker_exec import (
    LOST,
    ContainerShell,
    DockerRefusal,
    NoSuchContainer,
)
from optibid_console.targets.shell_target import ShellTarget
from optibid_console.targets.talk import Ahead, Reader, Talk
from optibid_console.targets.target import LinkListener, LinkLost, LinkState
from probes.docker_api import DockerAddress, DockerApi, find_address, find_container, in_words
from probes.error_words import error_words
from probes.probe import Host, HostError, ProbeError
from probes.text import one_line

_LEAVE_S = 2.0
_PREAMBLE_BYTES = 64 * 1024
_AT_HOME = '[ -d "$HOME" ] || HOME=$PWD; export HOME'
"""An image may have a user without a home, or without a directory for it."""


class ContainerTarget(ShellTarget):
    """Commands in a container on this machine, or on the machine of another target.

    A run lives as long as its container runs: after a restart it has ended by a reboot,
    and a container that was made anew knows nothing of it.
    """

    def __init__(self, spec: TargetSpec, on_link: LinkListener, host: Host | None = None) -> None:
        super().__init__(replace(spec, cwd=spec.cwd or "."))
        self._spec = spec
        self._on_link = on_link
        self._host = host
        self._api = DockerApi(spec.docker, host)
        self._container = spec.container
        self._shown = LinkState(self.name, "")
        self._attempt = 0

    async def close(self) -> None:
        """Close what was open to Docker. Runs go on."""
        await self._api.close()

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        """What the container's machine reaches: its own network can't be entered from here."""
        return (host, port) if self._host is None else await self._host.reach(host, port)

    async def knock(self, host: str, port: int) -> None:
        if self._host is not None:
            await self._host.knock(host, port)

    async def reach_socket(self, path: str) -> str:
        return path if self._host is None else await self._host.reach_socket(path)

    async def authenticate(self, not_before: float) -> None:
        """At the container's machine: Docker itself is asked anew by every command."""
        if self._host is not None:
            await self._host.authenticate(not_before)

    def _unreached(self) -> str:
        return "" if self._shown.state in ("", "connected") else self._shown.detail

    @asynccontextmanager
    async def _open(self, text: str) -> AsyncIterator[Talk]:
        shell = await self._started()
        try:
            yield await _Greeted.begin(self.name, shell, text)
        finally:
            await asyncio.shield(shell.leave(_LEAVE_S))

    async def _started(self) -> ContainerShell:
        """A shell in it; whatever went wrong, nothing was started then."""
        began = time.monotonic()
        where = ""
        try:
            address = await find_address(self._spec.docker, self._host)
            where = address.place
            shell = await self._shell(address)
        except NoSuchContainer:
            raise self._missed(f"no container {self._spec.container} at {where}") from None
        except DockerRefusal as error:
            raise self._missed(f"Docker at {where} says: {error_words(error)}") from error
        except (HostError, ProbeError) as error:
            raise self._missed(str(error)) from error
        except LOST as error:
            raise self._missed(in_words(error, where)) from error
        self._attempt = 0
        latency_ms = (time.monotonic() - began) * 1000
        self._show(LinkState(self.name, "connected", "", latency_ms))
        return shell

    async def _shell(self, address: DockerAddress) -> ContainerShell:
        try:
            return await ContainerShell.start(self.name, address, self._container)
        except NoSuchContainer:
            pass
        try:  # it may be a compose service, or the service's container was made anew
            found = await self._api.call(lambda api: find_container(api, self._spec.container))
        except docker.errors.NotFound:
            raise NoSuchContainer(self._spec.container) from None
        self._container = str(found["Id"])
        return await ContainerShell.start(self.name, address, self._container)

    def _missed(self, why: str) -> LinkLost:
        self._attempt += 1
        message = f"{self.name}: {one_line(why, 300)}"
        self._show(LinkState(self.name, "reconnecting", message, None, self._attempt))
        return LinkLost(message, sent=False)

    def _show(self, link: LinkState) -> None:
        """Tell how the link is, when that is news."""
        if (link.state, link.detail) != (self._shown.state, self._shown.detail):
            self._on_link(link)
        self._shown = link


class _Greeted:
    """A shell that has begun to read: a container may lack `/bin/sh`."""

    def __init__(self, shell: ContainerShell, stdout: Reader) -> None:
        self.stdout = stdout
        self.stderr = shell.stderr
        self.ended = shell.ended
        self.exit_status = shell.exit_status

    @classmethod
    async def begin(cls, name: str, shell: ContainerShell, text: str) -> _Greeted:
        mark = f"optibid-console-{secrets.token_hex(8)}"
        shell.say(f"{_AT_HOME}\nprintf '%s\\n' {mark}\n{text}")
        stdout = Ahead(shell.stdout)
        said = await stdout.line(_PREAMBLE_BYTES)
        if said.strip() == mark.encode():
            return cls(shell, stdout)
        status = await shell.exit_status()
        words = one_line(said or await shell.stderr.read(_PREAMBLE_BYTES), 200) or "nothing"
        message = f"{name}: /bin/sh doesn't start there: status {status}, it said: {words}"
        raise LinkLost(message, sent=False)
