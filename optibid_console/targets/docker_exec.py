"""A process in a container through Docker's API: started, talked to, its exit status.

Source: Docker Engine API, "Create an exec instance", "Start an exec instance" (the
connection is taken over: what is written is the process's input, what comes are frames of
eight bytes, stream, three zeros, length, and the payload) and "Inspect an exec instance".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from struct import Struct
from typing import Any
from urllib.parse import quote

from optibid_console.targets.talk import Reader
from optibid_console.targets.target import LinkLost
from probes.docker_api import DockerAddress, connect, in_words
from probes.text import one_line

_HEADER = Struct(">BxxxL")
_STDERR = 2
_READ_BYTES = 256 * 1024
_MOST_HELD = 1024 * 1024
_MOST_ANSWER = 4 * 1024 * 1024
_TALK_S = 10.0
_LOOK_S = 5.0
LOST = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


class NoSuchContainer(Exception):
    """Docker knows no container of that name or id."""


class DockerRefusal(Exception):
    """Docker won't; the message is its own."""


async def ask(
    address: DockerAddress, method: str, path: str, body: Mapping[str, Any] | None = None
) -> Any:
    """What Docker answers. Raises `NoSuchContainer`, `DockerRefusal`, `OSError`, `TimeoutError`."""
    async with asyncio.timeout(_TALK_S):
        reader, writer = await connect(address)
        try:
            writer.write(_request(f"{method} {path} HTTP/1.0", body))
            status, head = await _head(reader)
            said = await reader.read(_MOST_ANSWER)
            while len(said) < _MOST_ANSWER and (more := await reader.read(_READ_BYTES)):
                said += more
        finally:
            writer.close()
    return _answer(status, head, said)


def _request(line: str, body: Mapping[str, Any] | None, *headers: str) -> bytes:
    data = json.dumps(body or {}).encode()
    fixed = ("Host: docker", "Content-Type: application/json", f"Content-Length: {len(data)}")
    return "\r\n".join((line, *fixed, *headers, "", "")).encode() + data


async def _head(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise DockerRefusal(f"it answers, but it is not Docker: {one_line(head)}")
    return int(words[1]), head


def _answer(status: int, head: bytes, said: bytes) -> Any:
    try:
        answer = json.loads(said) if said.strip() else {}
    except ValueError:
        raise DockerRefusal(f"it answers, but it is not Docker: {one_line(said)}") from None
    if status < 300:
        return answer
    message = one_line(str(answer.get("message", "")) if isinstance(answer, dict) else said, 200)
    if status == 404 and b"api-version" in head.lower():
        raise NoSuchContainer(message)
    raise DockerRefusal(message or f"status {status}")


class ContainerShell:
    """`/bin/sh` in a container: a `Talk`."""

    def __init__(
        self,
        name: str,
        address: DockerAddress,
        exec_id: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._name = name
        self._address = address
        self._exec_id = exec_id
        self._reader = reader
        self._writer = writer
        self._out, self._err = _Side(), _Side()
        self.stdout: Reader = self._out
        self.stderr: Reader = self._err
        self._pump = asyncio.create_task(self._deal(), name=f"docker exec {name}")

    @classmethod
    async def start(cls, name: str, address: DockerAddress, container: str) -> ContainerShell:
        """A new shell in it. Raises as `ask` does; then none was started."""
        wanted = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True}
        path = f"/containers/{quote(container, safe='')}/exec"
        made = await ask(address, "POST", path, {**wanted, "Cmd": ["/bin/sh"]})
        exec_id = str(made["Id"])
        async with asyncio.timeout(_TALK_S):
            reader, writer = await connect(address)
            try:
                line = f"POST /exec/{quote(exec_id, safe='')}/start HTTP/1.1"
                body = {"Detach": False, "Tty": False}
                writer.write(_request(line, body, "Connection: Upgrade", "Upgrade: tcp"))
                status, head = await _head(reader)
                if status not in (101, 200):
                    _answer(status, head, await reader.read(_READ_BYTES))
            except BaseException:
                writer.close()
                raise
        return cls(name, address, exec_id, reader, writer)

    def say(self, text: str) -> None:
        self._writer.write(text.encode("utf-8", "surrogateescape"))

    async def ended(self) -> None:
        """Docker keeps the stream open for as long as any process holds it: it is asked."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._out.until_closed()
                    return
            with contextlib.suppress(NoSuchContainer, DockerRefusal, *LOST):  # the stream says so
                seen = await ask(self._address, "GET", f"/exec/{self._exec_id}/json")
                if not seen.get("Running"):
                    return

    async def exit_status(self) -> int:
        await self._out.until_closed()
        try:
            seen = await ask(self._address, "GET", f"/exec/{self._exec_id}/json")
        except NoSuchContainer as error:
            raise self._lost("the container was removed") from error
        except (DockerRefusal, *LOST) as error:
            raise self._lost(one_line(str(error), 200)) from error
        if seen.get("Running") or seen.get("ExitCode") is None:
            raise self._lost("it still runs")
        return int(seen["ExitCode"])

    async def leave(self, within_s: float) -> None:
        """Close the shell's input, which ends it, and the connection in any case."""
        try:
            async with asyncio.timeout(within_s):
                self._writer.write_eof()
                self._out.discard()
                self._err.discard()
                await asyncio.wait({self._pump})
        except (TimeoutError, OSError):
            pass  # what doesn't end by itself is left to Docker, which sees the connection close
        finally:
            self._pump.cancel()
            self._writer.close()
            await asyncio.wait({self._pump})

    async def _deal(self) -> None:
        """Give each frame's payload to its side, no faster than they are read."""
        error: LinkLost | None = None
        try:
            while head := await self._reader.read(1):
                head += await self._reader.readexactly(_HEADER.size - 1)
                stream, left = _HEADER.unpack(head)
                side = self._err if stream == _STDERR else self._out
                while left:
                    data = await self._reader.read(min(left, _READ_BYTES))
                    if not data:
                        raise asyncio.IncompleteReadError(b"", left)
                    left -= len(data)
                    await side.put(data)
        except LOST as broken:
            error = self._lost(in_words(broken, self._address.place))
        finally:
            self._out.close(error)
            self._err.close(error)

    def _lost(self, why: str) -> LinkLost:
        return LinkLost(f"{self._name}: the link to its shell was lost: {why}")


class _Side:
    """One of the two outputs, a little of it held until it is read."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._closed = False
        self._error: LinkLost | None = None
        self._discards = False
        self._changed = asyncio.Event()
        """Replaced whenever anything changes."""

    async def put(self, data: bytes) -> None:
        while len(self._held) > _MOST_HELD and not self._discards:
            await self._changed.wait()
        if not self._discards:
            self._held += data
            self._wake()

    def discard(self) -> None:
        """Nobody reads it any more."""
        self._discards = True
        self._held.clear()
        self._wake()

    def close(self, error: LinkLost | None) -> None:
        self._closed, self._error = True, error
        self._wake()

    async def until_closed(self) -> None:
        while not self._closed:
            await self._changed.wait()

    async def read(self, size: int) -> bytes:
        while not self._held and not self._closed:
            await self._changed.wait()
        data = bytes(self._held[:size])
        if not data and self._error is not None:
            raise self._error
        del self._held[:size]
        self._wake()
        return data

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
