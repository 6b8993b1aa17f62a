"""A target in a rehearsal: it launches what is marked read-only, and refuses all else."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager

from optibid_console.targets.target import (
    LaunchRefused,
    OutputChunk,
    RunEnd,
    RunEvent,
    RunSpec,
    Target,
    TargetError,
)
from probes.probe import Completed, Host, HostError


class RehearsalTarget:
    """Another target, behind a wall.

    Runs: only those marked read-only, and only this rehearsal's own are followed, asked for
    or ended (asking for a run that isn't there would forbid its launch). Nothing is cleaned.

    As a `Host` it refuses as well, so that no code can go round the wall with a short command
    or a connection. Probes and tails get the real host from `for_probes`: they are reads by
    what they are. They run all the time in every window, also in one that nobody drives, so a
    rehearsal adds no effect by them; without them there would be nothing real to see.
    """

    def __init__(self, inner: Target, window_id: str) -> None:
        self.name = inner.name
        self._inner = inner
        self._own = f"{window_id}-"

    @property
    def probed(self) -> Host:
        """The host itself, for probes and tails."""
        return self._inner

    # Target

    async def launch(self, spec: RunSpec) -> bool:
        self._check(spec)
        return await self._inner.launch(spec)

    async def run(self, spec: RunSpec) -> AsyncGenerator[RunEvent, None]:
        self._check(spec)
        async with aclosing(self._inner.run(spec)) as events:
            async for event in events:
                yield event

    async def follow(self, run_id: str, offset: int) -> AsyncGenerator[OutputChunk, None]:
        self._check_own(run_id)
        async with aclosing(self._inner.follow(run_id, offset)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def ended(self, run_id: str) -> RunEnd | None:
        self._check_own(run_id)
        return await self._inner.ended(run_id)

    async def cancel(self, run_id: str, grace_s: float) -> bool:
        self._check_own(run_id)
        return await self._inner.cancel(run_id, grace_s)

    async def clean(self, keep: Collection[str] = (), open_windows: Collection[str] = ()) -> int:
        return 0

    async def close(self) -> None:
        await self._inner.close()

    # Host

    async def execute(
        self,
        command: str,
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        max_bytes: int = 1_000_000,
    ) -> Completed:
        raise HostError(self._refusal("a short command that is no probe's"))

    @asynccontextmanager
    async def stream(self, command: str) -> AsyncIterator[AsyncIterator[bytes]]:
        raise HostError(self._refusal("a stream that is no tail's"))
        yield  # an async generator, as its type says

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        raise HostError(self._refusal("a connection that is no probe's"))

    async def knock(self, host: str, port: int) -> None:
        raise HostError(self._refusal("a connection that is no probe's"))

    async def reach_socket(self, path: str) -> str:
        raise HostError(self._refusal("a connection that is no probe's"))

    async def authenticate(self, not_before: float) -> None:
        raise HostError(self._refusal("a log-in that is no probe's"))

    # The wall

    def _check(self, spec: RunSpec) -> None:
        if not spec.read_only:
            raise LaunchRefused(
                f"rehearsal: {spec.run_id} on {self.name} isn't marked read-only, so it wasn't "
                "started"
            )
        self._check_own(spec.run_id)

    def _check_own(self, run_id: str) -> None:
        if not run_id.startswith(self._own):
            raise LaunchRefused(f"rehearsal: {run_id} on {self.name} is another window's run")

    def _refusal(self, what: str) -> str:
        return f"rehearsal: {what} isn't let through to {self.name}"


def rehearsed(targets: Mapping[str, Target], window_id: str) -> dict[str, Target]:
    """The same targets behind the wall, for the rehearsal with this window id."""
    return {name: RehearsalTarget(one, window_id) for name, one in targets.items()}


def for_probes(target: Target) -> Host:
    """The host from which a probe, a tail or a database's reader looks: the same in a rehearsal
    as in a window."""
    return target.probed if isinstance(target, RehearsalTarget) else target


def check_rehearsed(targets: Mapping[str, Target]) -> None:
    """Make sure that an engine in rehearsal has no real target. Raises `TargetError`."""
    real = [name for name, one in targets.items() if not isinstance(one, RehearsalTarget)]
    if real:
        raise TargetError(f"rehearsal: {', '.join(real)} would be real; nothing is begun")
