"""Is a container up, healthy, of the right image, and not restarting?"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import docker
import docker.errors

from probes.deadline import time_left_s
from probes.docker_api import DockerApi, find_container, find_service, name_of
from probes.probe import Host, ProbeError, Reading, Status
from probes.text import counted, one_line

Measure = Literal["", "cpu", "memory", "memory_percent"]
UNITS: Mapping[str, str] = {"cpu": "percent", "memory": "bytes", "memory_percent": "percent"}
_NO_DATA_READ = "0001-01-01"
"""Docker's zero time: the sample of a container that isn't running, with zeros for numbers."""
_STALE_SAMPLE_S = 5.0
"""Samples come every second."""


@dataclass(frozen=True, slots=True)
class ContainerExpect:
    """What must be true of the container."""

    state: str = "running"
    healthy: bool | None = None
    """True: it must have a health check that says healthy. Unset: judged when it has one."""
    image: str = ""
    """A tag (`optibid/backend:v2.4.0`), an image id or a digest (`sha256:…`)."""
    max_restarts: int | None = None
    """More restarts by Docker than this fail; any new one is a warning in any case."""


_RUNNING = ContainerExpect()


@dataclass(frozen=True, slots=True)
class ContainerSettings:
    """`kind = "container"`."""

    container: str = ""
    """Its name or id."""
    service: str = ""
    """Instead of the name: a compose service."""
    project: str = ""
    """The compose project of `service`, where several have one of that name."""
    docker: str = ""
    """`unix:///PATH` or `tcp://HOST:PORT`; empty: `DOCKER_HOST` or the usual socket."""
    value: Measure = ""
    """The number to read as well: `cpu` (percent of one core), `memory` (bytes without
    the page cache), `memory_percent` (of its limit)."""
    expect: ContainerExpect = _RUNNING

    def problems(self) -> Iterator[tuple[str, str]]:
        if bool(self.container) == bool(self.service):
            yield "", "needs one of container and service"
        if self.project and not self.service:
            yield "project", "belongs to service"


@dataclass(frozen=True, slots=True)
class Seen:
    """What an inspection and its image say, reduced to what is judged."""

    id: str
    name: str
    state: str
    exit_code: int
    health: str
    """Empty: it has no health check."""
    last_check: str
    image: str
    image_id: str
    restarts: int
    expected_image_ids: tuple[str, ...] = ()
    """The id and digests of the expected image, where Docker has it."""


def judge(seen: Seen, expect: ContainerExpect, previous: Seen | None) -> tuple[Status, str]:
    """The status and a few words: the first thing that is wrong, in order of weight."""
    if seen.state != expect.state:
        code = f" with {seen.exit_code}" if seen.state == "exited" else ""
        return Status.FAILING, f"{seen.state}{code}, expected {expect.state}"
    if expect.healthy is not False and (wrong := _health(seen, required=bool(expect.healthy))):
        return wrong
    if expect.image and (words := _image(seen, expect.image)):
        return Status.FAILING, words
    if expect.max_restarts is not None and seen.restarts > expect.max_restarts:
        return (
            Status.FAILING,
            f"restarted {counted(seen.restarts, 'time')}, at most {expect.max_restarts}",
        )
    if previous is not None and previous.id == seen.id and seen.restarts > previous.restarts:
        return (
            Status.WARN,
            f"restarted since the last look, {counted(seen.restarts, 'time')} in all",
        )
    health = f", {seen.health}" if seen.health else ""
    return Status.OK, f"{seen.state}{health}"


def _health(seen: Seen, *, required: bool) -> tuple[Status, str] | None:
    if seen.health == "starting":
        return Status.WARN, "running, its health check is starting"
    if not seen.health:
        return (Status.FAILING, "has no health check") if required else None
    if seen.health != "healthy":
        said = f": {seen.last_check}" if seen.last_check else ""
        return Status.FAILING, f"{seen.health}{said}"
    return None


def _image(seen: Seen, expected: str) -> str:
    """What is wrong with the image, or nothing."""
    if expected.startswith("sha256:"):
        known = (seen.image_id, *seen.expected_image_ids)
        if any(one.rpartition("@")[2].startswith(expected) for one in known):
            return ""
        return f"image {seen.image_id[:19]}, expected {expected[:19]}"
    if seen.expected_image_ids and seen.image_id not in seen.expected_image_ids:
        return f"runs {seen.image} {seen.image_id[:19]}, which is not what {expected} is now"
    if not seen.expected_image_ids and seen.image != expected:
        return f"image {seen.image}, expected {expected}, which this Docker does not have"
    return ""


def measure(sample: Mapping[str, Any], what: Measure) -> float | None:
    """A number of one stats sample, by the formulas of Docker's own `docker stats`.

    None: the sample holds no data. Source: docker/cli `cli/command/container/stats_helpers.go`.
    """
    if not what or str(sample.get("read", _NO_DATA_READ)).startswith(_NO_DATA_READ):
        return None
    try:
        return _cpu_percent(sample) if what == "cpu" else _memory(sample, what)
    except (KeyError, TypeError, ZeroDivisionError):
        return None


def _cpu_percent(sample: Mapping[str, Any]) -> float | None:
    now, before = sample["cpu_stats"], sample["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = now["system_cpu_usage"] - before["system_cpu_usage"]
    cores = now.get("online_cpus") or len(now["cpu_usage"]["percpu_usage"])
    return used / passed * cores * 100.0 if passed > 0 and used >= 0 else None


def _memory(sample: Mapping[str, Any], what: Measure) -> float | None:
    memory = sample["memory_stats"]
    stats = memory.get("stats", {})
    cache = stats.get("total_inactive_file", stats.get("inactive_file", 0))
    used = float(max(0, memory["usage"] - cache))
    return used if what == "memory" else used / memory["limit"] * 100.0


class ContainerProbe:
    """Inspects a container, and reads its stats stream when a value is wanted."""

    Settings = ContainerSettings

    def __init__(self, name: str, settings: ContainerSettings, host: Host | None) -> None:
        self.name = name
        self._settings = settings
        self._api = DockerApi(settings.docker, host)
        self._previous: Seen | None = None
        self._stats: asyncio.Task[None] | None = None
        self._stats_of = ""
        self._sample: tuple[float, Mapping[str, Any]] | None = None
        self._first_sample = asyncio.Event()

    async def read(self) -> Reading:
        started, at = time.monotonic(), time.time()
        seen = await self._api.call(self._look)
        if seen is None:
            wanted = self._settings.container or self._settings.service
            words = f"no container {wanted}"
            return Reading(self.name, Status.FAILING, words, at, _ms(started), away=True)
        status, summary = judge(seen, self._settings.expect, self._previous)
        self._previous = seen
        value = await self._measured(seen)
        if self._settings.value and value is None and status is Status.OK:
            status, summary = Status.ERROR, f"{summary}, but no {self._settings.value} data"
        detail = {
            "container": seen.name,
            "image": f"{seen.image} {seen.image_id[:19]}",
            "restarts": str(seen.restarts),
            "last health check": seen.last_check,
        }
        unit = UNITS.get(self._settings.value, "")
        away = status is Status.FAILING and seen.state != "running"
        return Reading(self.name, status, summary, at, _ms(started), value, unit, detail, away)

    def _look(self, client: docker.APIClient) -> Seen | None:
        settings = self._settings
        try:
            if settings.service:
                found = find_service(client, settings.service, settings.project)
            else:
                found = find_container(client, settings.container)
        except docker.errors.NotFound:
            return None
        return _reduced(found, _image_ids(client, settings.expect.image, found))

    async def _measured(self, seen: Seen) -> float | None:
        if not self._settings.value or seen.state != "running":
            return None
        if self._stats is None or self._stats.done() or self._stats_of != seen.id:
            await self._stop_stats()
            self._stats_of = seen.id
            self._stats = asyncio.create_task(self._read_stats(seen.id))
        waiter = asyncio.create_task(self._first_sample.wait())
        try:
            done = {waiter, self._stats}
            await asyncio.wait(done, return_when=asyncio.FIRST_COMPLETED, timeout=time_left_s())
        finally:
            waiter.cancel()
        if self._stats.done() and (error := self._stats.exception()):
            raise error
        if self._sample is None or time.monotonic() - self._sample[0] > _STALE_SAMPLE_S:
            return None
        return measure(self._sample[1], self._settings.value)

    async def _read_stats(self, container_id: str) -> None:
        """Keep the newest sample; ends when the container is removed."""
        path = f"/containers/{container_id}/stats"
        async with self._api.stream(path, {"stream": "1"}) as reader:
            while line := await reader.readline():
                try:
                    sample = json.loads(line)
                except ValueError as error:
                    raise ProbeError(f"stats are not JSON: {one_line(line)}") from error
                self._sample = (time.monotonic(), sample)
                if self._settings.value != "cpu" or measure(sample, "cpu") is not None:
                    self._first_sample.set()

    async def _stop_stats(self) -> None:
        if self._stats is not None:
            self._stats.cancel()
            await asyncio.wait({self._stats})
        self._stats, self._sample = None, None
        self._first_sample.clear()

    async def close(self) -> None:
        await self._stop_stats()
        await self._api.close()


def _image_ids(
    client: docker.APIClient, expected: str, container: Mapping[str, Any]
) -> tuple[str, ...]:
    if not expected:
        return ()
    name = container["Image"] if expected.startswith("sha256:") else expected
    try:
        image: Mapping[str, Any] = client.inspect_image(name)  # type: ignore[no-untyped-call]
    except docker.errors.NotFound:
        return ()
    return (image["Id"], *(image.get("RepoDigests") or ()))


def _reduced(found: Mapping[str, Any], expected_image_ids: tuple[str, ...]) -> Seen:
    state = found["State"]
    health = state.get("Health") or {}
    status = health.get("Status", "")
    checks: Sequence[Mapping[str, Any]] = health.get("Log") or ({},)
    return Seen(
        id=found["Id"],
        name=name_of(found),
        state=one_line(state["Status"]),
        exit_code=int(state.get("ExitCode", 0)),
        health="" if status == "none" else one_line(status),
        last_check=one_line(checks[-1].get("Output", "")),
        image=one_line(found["Config"]["Image"]),
        image_id=found["Image"],
        restarts=int(found.get("RestartCount", 0)),
        expected_image_ids=expected_image_ids,
    )


def _ms(started: float) -> float:
    return (time.monotonic() - started) * 1000
