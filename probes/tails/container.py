"""Follows a container's log through Docker's API: restarts, recreation and Docker's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import docker.errors

from probes.docker_api import DockerApi, find_container, name_of
from probes.probe import Host, HostError, ProbeError, TailBatch
from probes.tails.docker_frames import FrameError, LogReader
from probes.tails.lines import MOST_LINES, batch, gathered
from probes.tails.retry import Backoff, lost
from probes.text import one_line

LOOK_AGAIN_S = 0.5
_READ_BYTES = 256 * 1024
_LATE_S = 10
"""How much earlier than the newest line a stream resumes: stdout and stderr are each in
order, not both together."""


@dataclass(frozen=True, slots=True)
class ContainerTailSettings:
    """`kind = "container"`."""

    container: str
    """Its name or id, or a compose service."""
    docker: str = ""
    """`unix:///PATH` or `tcp://HOST:PORT`; empty: `DOCKER_HOST` or the usual socket."""
    lines: int = 200
    """How many of the last lines to begin with."""

    def problems(self) -> Iterator[tuple[str, str]]:
        if not 0 <= self.lines <= MOST_LINES:
            yield "lines", f"expected 0 to {MOST_LINES}"


class ContainerTail:
    """Follows a container's stdout and stderr for ever.

    What nobody takes waits in the socket and in Docker's own log: nothing is dropped.
    """

    Settings = ContainerTailSettings

    def __init__(self, name: str, settings: ContainerTailSettings, host: Host | None) -> None:
        self.name = name
        self._settings = settings
        self._api = DockerApi(settings.docker, host)
        self._reader = LogReader()
        self._container = ""
        self._started_at = ""
        self._is_first = True
        self._waits_for = ""

    async def batches(self) -> AsyncGenerator[TailBatch, None]:
        """Whole lines and notices, without an end. Raises nothing: what is lost is said."""
        backoff = Backoff()
        try:
            while True:
                try:
                    async with aclosing(self._once(backoff)) as stream:
                        async for one in stream:
                            yield one
                    await asyncio.sleep(LOOK_AGAIN_S)  # it stopped; Docker may not know it yet
                    continue
                except docker.errors.NotFound:  # removed between the look and the stream
                    await asyncio.sleep(LOOK_AGAIN_S)
                    continue
                except (ProbeError, HostError, FrameError, OSError) as error:
                    why = one_line(str(error))
                wait_s = backoff.next_s()
                yield TailBatch(notice=lost(why, backoff.attempt, wait_s))
                await asyncio.sleep(wait_s)
        finally:
            await self._api.close()

    async def _once(self, backoff: Backoff) -> AsyncGenerator[TailBatch]:
        """Wait for the container, then what its log gives until the stream ends."""
        while (found := await self._api.call(self._look)) is None or not self._has_news(found):
            waiting = self._waiting(found)
            if waiting != self._waits_for:
                self._waits_for = waiting
                yield TailBatch(notice=waiting)
            await asyncio.sleep(LOOK_AGAIN_S)
        path, query = f"/containers/{found['Id']}/logs", self._query(found)
        async with self._api.stream(path, query) as stream:
            if self._is_other_run(found) and (rest := self._reader.flush()):
                yield batch(rest)
            yield TailBatch(notice=self._news(found))
            backoff.succeeded()
            self._begin(found)
            async with aclosing(gathered(_chunks(stream))) as pieces:
                async for data in pieces:
                    if lines := self._reader.feed(data):
                        yield batch(lines)

    def _look(self, client: docker.APIClient) -> Mapping[str, Any] | None:
        try:
            return find_container(client, self._settings.container)
        except docker.errors.NotFound:
            return None

    def _has_news(self, found: Mapping[str, Any]) -> bool:
        """Whether there may be lines that weren't read: it runs, or it ran again since."""
        return bool(found["State"].get("Running")) or self._is_other_run(found)

    def _is_other_run(self, found: Mapping[str, Any]) -> bool:
        started_at = found["State"].get("StartedAt", "")
        return (found["Id"], started_at) != (self._container, self._started_at)

    def _waiting(self, found: Mapping[str, Any] | None) -> str:
        if found is None:
            return f"waiting for container {self._settings.container}"
        state = found["State"]
        code = f" with {state.get('ExitCode')}" if state.get("Status") == "exited" else ""
        return f"container {name_of(found)} {one_line(state['Status'])}{code}: waiting for it"

    def _news(self, found: Mapping[str, Any]) -> str:
        if self._is_first:
            return "connected"
        if found["Id"] != self._container:
            return f"container {name_of(found)} was recreated: its log from the beginning"
        if found["State"].get("StartedAt", "") != self._started_at:
            return f"container {name_of(found)} was restarted"
        return "reconnected, nothing missed"

    def _begin(self, found: Mapping[str, Any]) -> None:
        if found["Id"] != self._container:
            self._reader = LogReader()
        self._reader.resume(is_raw=bool(found["Config"].get("Tty")))
        self._container = found["Id"]
        self._started_at = found["State"].get("StartedAt", "")
        self._is_first, self._waits_for = False, ""

    def _query(self, found: Mapping[str, Any]) -> Mapping[str, str]:
        """The last lines at first, all of a new container, and else from where it was."""
        query = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1"}
        if self._is_first:
            return query | {"tail": str(self._settings.lines)}
        if found["Id"] == self._container and self._reader.newest:
            return query | {"since": str(_seconds(self._reader.newest) - _LATE_S)}
        return query


def _seconds(stamp: bytes) -> int:
    """The whole seconds of Docker's `2026-11-24T03:48:19.123456789Z`."""
    try:
        return int(datetime.fromisoformat(stamp[:19].decode("ascii") + "+00:00").timestamp())
    except ValueError as error:
        raise FrameError(f"no time at the beginning of a line: {one_line(stamp)}") from error


async def _chunks(stream: asyncio.StreamReader) -> AsyncGenerator[bytes]:
    while data := await stream.read(_READ_BYTES):
        yield data
