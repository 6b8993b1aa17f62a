"""Docker's API for probes and tails: where it is, questions in threads, streams without.

Questions go through the docker SDK, which blocks, in a small executor of their own.
Streams (logs, stats) are read straight from the socket as HTTP/1.0: a server must then
send them unchunked (RFC 9112 §7.1), which takes half the SDK's time for each line and
gives backpressure instead of a thread.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import ssl
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import docker
import docker.errors
import docker.tls
import requests.exceptions

from probes.deadline import time_left_s, timeout_s
from probes.probe import Host, ProbeError
from probes.text import one_line

T = TypeVar("T")

DEFAULT_SOCKET = "/var/run/docker.sock"
_EXECUTOR = ThreadPoolExecutor(max_workers=4, thread_name_prefix="docker")
"""Its own: a Docker that hangs must not use up the threads of others."""


@dataclass(frozen=True, slots=True)
class DockerAddress:
    """Where Docker answers, and what to call that place in an error."""

    url: str
    """`unix:///path` or `tcp://host:port`, as it is reached from here."""
    place: str
    tls: bool = False


async def find_address(docker_url: str, host: Host | None) -> DockerAddress:
    """Where `docker_url` is reached from here; empty: `DOCKER_HOST` or the usual socket.

    With a host it is that machine's Docker, through `reach_socket` or `reach`.
    Raises `ProbeError` for an address that isn't `unix://` or `tcp://`, `HostError`.
    """
    url = docker_url or ("" if host is not None else os.environ.get("DOCKER_HOST", ""))
    url = url or f"unix://{DEFAULT_SOCKET}"
    parts = urlsplit(url)
    on = f" on {host.name}" if host is not None else ""
    if parts.scheme == "unix":
        path = await host.reach_socket(parts.path) if host is not None else parts.path
        named_here = os.environ.get("DOCKER_HOST", "")
        if host is not None and not docker_url and path == parts.path and named_here:
            return await find_address(named_here, None)  # the host is this machine
        return DockerAddress(f"unix://{path}", f"{parts.path}{on}")
    if parts.scheme in ("tcp", "http", "https") and parts.hostname:
        tls = parts.scheme == "https" or bool(os.environ.get("DOCKER_TLS_VERIFY"))
        port = parts.port or (2376 if tls else 2375)
        name, number = parts.hostname, port
        if host is not None:
            name, number = await host.reach(parts.hostname, port)
        return DockerAddress(f"tcp://{name}:{number}", f"{parts.hostname}:{port}{on}", tls)
    raise ProbeError(
        f'Docker address "{one_line(url)}" is neither unix:///PATH nor tcp://HOST:PORT;'
        " for another machine name it as a target with `on`"
    )


def _certificates() -> tuple[str, str, str]:
    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    return str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made from: requests and urllib3 keep those in `args`."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting.extend(cause for cause in inner if isinstance(cause, BaseException))


def in_words(error: BaseException, place: str) -> str:
    """Why Docker at `place` gave no answer: each cause in words of its own."""
    causes = tuple(_causes(error))

    def is_any(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if is_any(FileNotFoundError):
        return f"no Docker socket at {place}: is Docker installed and running?"
    if is_any(PermissionError):
        return f"permission denied at {place}: the user has to be in the group docker"
    if is_any(ConnectionRefusedError):
        return f"nothing listens at {place}: Docker is stopped"
    if is_any(TimeoutError, requests.exceptions.Timeout):
        return f"Docker at {place} did not answer within {timeout_s():g} s"
    if is_any(http.client.BadStatusLine):
        return f"{place} answers, but it is not Docker"
    for cause in causes:
        if isinstance(cause, docker.errors.APIError) and cause.response is not None:
            if "Api-Version" in cause.response.headers:
                return f"Docker at {place} says: {one_line(str(cause.explanation or cause))}"
            return f"{place} answers, but it is not Docker ({cause.response.status_code})"
    if is_any(ConnectionResetError, BrokenPipeError):
        return f"Docker at {place} closed the connection"
    if is_any(ssl.SSLError, requests.exceptions.SSLError):
        return f"no TLS with Docker at {place}: {one_line(str(error))}"
    if is_any(requests.exceptions.ConnectionError) and not is_any(ValueError):
        return f"no connection to Docker at {place}: {one_line(str(error))}"
    return f"{place} answers, but it is not Docker: {one_line(str(error))}"


class DockerApi:
    """One Docker, asked in threads and streamed from without. Raises `ProbeError`, `HostError`."""

    def __init__(self, docker_url: str, host: Host | None) -> None:
        self._docker_url = docker_url
        self._host = host
        self._client: docker.APIClient | None = None
        self._client_url = ""

    async def call(self, ask: Callable[[docker.APIClient], T]) -> T:
        """What `ask` returns, run in a thread; `docker.errors.NotFound` passes through."""
        address = await find_address(self._docker_url, self._host)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(_EXECUTOR, self._ask, address, time_left_s(), ask)
        except docker.errors.NotFound:
            raise
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            self._forget()
            raise ProbeError(in_words(error, address.place)) from error

    def _ask(
        self, address: DockerAddress, within_s: float, ask: Callable[[docker.APIClient], T]
    ) -> T:
        _knock(address, within_s)
        whole_s = max(1, int(within_s))
        client = self._client
        if client is None or self._client_url != address.url:
            tls: docker.tls.TLSConfig | bool = False
            if address.tls:
                ca, cert, key = _certificates()
                tls = docker.tls.TLSConfig(client_cert=(cert, key), ca_cert=ca, verify=True)
            client = docker.APIClient(address.url, version="auto", timeout=whole_s, tls=tls)
            weakref.finalize(self, client.close)
            self._forget()
            self._client, self._client_url = client, address.url
        client.timeout = whole_s
        return ask(client)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str]
    ) -> AsyncIterator[asyncio.StreamReader]:
        """The body of `GET path` as it comes, until the context is left or Docker ends it.

        Raises `docker.errors.NotFound` when there is no such container.
        """
        address = await find_address(self._docker_url, self._host)
        request = f"GET {path}?{urlencode(query)} HTTP/1.0\r\nHost: docker\r\n\r\n"
        writer: asyncio.StreamWriter | None = None
        try:
            try:
                async with asyncio.timeout(time_left_s()):
                    reader, writer = await connect(address)
                    writer.write(request.encode())
                    status, body = await _head(reader, address.place)
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                raise ProbeError(in_words(error, address.place)) from error
            if status == 404:
                raise docker.errors.NotFound(body)
            if status != 200:
                raise ProbeError(f"Docker at {address.place} says {status}: {body}")
            yield reader
        finally:
            if writer is not None:
                writer.close()

    async def close(self) -> None:
        self._forget()

    def _forget(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client, self._client_url = None, ""


def _knock(address: DockerAddress, within_s: float) -> None:
    """Connect once: the SDK leaves a socket that was refused unclosed. Raises `OSError`."""
    if address.url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(within_s)
            connection.connect(address.url.removeprefix("unix://"))


async def connect(address: DockerAddress) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to Docker. Raises `OSError`."""
    limit = 1 << 20
    parts = urlsplit(address.url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path, limit=limit)
    context: ssl.SSLContext | None = None
    if address.tls:
        ca, cert, key = _certificates()
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(cert, key)
    return await asyncio.open_connection(parts.hostname, parts.port, ssl=context, limit=limit)


async def _head(reader: asyncio.StreamReader, place: str) -> tuple[int, str]:
    """The status, and for anything but 200 what the answer says."""
    head = await reader.readuntil(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ProbeError(f"{place} answers, but it is not Docker: {one_line(head)}")
    status = int(words[1])
    body = b"" if status == 200 else await reader.read(4096)
    return status, one_line(body)


# Containers


def find_container(client: docker.APIClient, name: str) -> Mapping[str, Any]:
    """The inspected container of this name, or else of this compose service.

    Raises as `find_service` does.
    """
    try:
        return dict(client.inspect_container(name))
    except docker.errors.NotFound:
        return find_service(client, name)


def find_service(client: docker.APIClient, name: str, project: str = "") -> Mapping[str, Any]:
    """The inspected container of a compose service, a running one if there is one.

    Raises `docker.errors.NotFound` when there is none, and
    `ProbeError` when several run and `project` doesn't tell them apart.
    """
    labels = [f"com.docker.compose.service={name}"]
    if project:
        labels.append(f"com.docker.compose.project={project}")
    found = client.containers(all=True, filters={"label": labels})
    running = [one for one in found if one.get("State") == "running"]
    chosen = running or sorted(found, key=lambda one: -int(one.get("Created", 0)))[:1]
    if not chosen:
        where = f" in project {project}" if project else ""
        raise docker.errors.NotFound(f"no container or compose service {name}{where}")
    if len(chosen) > 1:
        names = ", ".join(sorted(name_of(one) for one in chosen))
        raise ProbeError(f"{len(chosen)} containers run service {name}: {names}; name one of them")
    return dict(client.inspect_container(chosen[0]["Id"]))


def name_of(container: Mapping[str, Any]) -> str:
    """A container's name, from a list's entry or an inspection."""
    names = container.get("Names") or [container.get("Name") or container.get("Id", "")[:12]]
    return one_line(str(names[0]).lstrip("/"))
