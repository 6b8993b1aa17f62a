"""What every target is: where commands run, at most once, and survive the console."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from optibid_console.targets.streams import Stream
from probes.probe import Host


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One launch of one command. The run id makes it: launching it twice attaches."""

    run_id: str
    command: str
    """Shell text for `/bin/sh -c`."""
    epoch: int
    timeout_s: float
    env: Mapping[str, str] = field(default_factory=dict)
    """Secret values that the command names as `"${NAME}"`; never in an argument list."""
    cwd: str = ""
    window: str = ""
    """The window's id: epochs are compared among launches of one window."""
    read_only: bool = False
    """The runbook says that it changes nothing: a rehearsal launches nothing else."""


class Ending(StrEnum):
    """How a run ended, as the target itself says."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    GONE = "gone"
    """No exit status and no process: nobody knows."""
    REBOOTED = "rebooted"
    NEVER = "never-started"
    """The target doesn't know the run: it was never claimed there."""
    RUNNING = "running"
    """It was to be ended, and its processes are still there."""
    UNANSWERED = "unanswered"
    """It was to be ended, and its target doesn't answer."""


class Loss(StrEnum):
    """Why a part of a run's output is lost."""

    FULL = "full"
    UNWRITABLE = "unwritable"
    FAILED = "failed"
    """It couldn't be written, for another reason."""
    KILLED = "killed"
    UNKEPT = "unkept"
    GONE = "gone"
    UNREAD = "unread"
    BROKEN = "broken"
    """As an earlier version's wrapper says it: of any of these reasons."""


_WHY_LOST = {
    Loss.FULL: "the disk of its run directory is full",
    Loss.UNWRITABLE: "its run directory can't be written",
    Loss.FAILED: "its run directory doesn't take it",
    Loss.KILLED: "a process that writes it was killed",
    Loss.UNKEPT: "the process that keeps it was killed",
    Loss.GONE: "its run directory was removed or emptied",
    Loss.UNREAD: "its target doesn't give it",
    Loss.BROKEN: "its run directory didn't take it",
}
_UP_TO = (Loss.KILLED,)
"""Where the number of bytes is the most that can be lost; else it is the least."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Output that is lost: why, and how many bytes; 0 where the number isn't known."""

    why: Loss
    size: int = 0

    def after(self, received: int) -> Lost:
        """What is lost for somebody who had read that much while it was there."""
        if self.why is not Loss.GONE:
            return self
        return replace(self, size=max(self.size - received, 0))

    def __str__(self) -> str:
        if not self.size:
            return f"some of its output may be lost: {_WHY_LOST[self.why]}"
        bound = "up to" if self.why in _UP_TO else "at least"
        amount = "1 byte" if self.size == 1 else f"{self.size:,} bytes"
        return f"{bound} {amount} of its output lost: {_WHY_LOST[self.why]}"


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of a run."""

    ending: Ending
    exit_status: int | None = None
    signal: str = ""
    output_bytes: int = 0
    """How much of its output was kept, what was left out and the marks of stderr included."""
    lost: Lost | None = None
    """What was printed and isn't there; what the cap on the output left out doesn't count."""


@dataclass(frozen=True, slots=True)
class Launched:
    """The target has the run. `attached`: it had it already, and this launch started nothing."""

    attached: bool = False


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """A piece of a run's output: stdout and stderr in the order in which they were written."""

    offset: int
    """Where it starts in the run's output, in bytes."""
    data: bytes
    stream: Stream = Stream.OUTPUT
    """`OUTPUT` where the target doesn't tell stderr apart."""
    left_out: int = 0
    """How many bytes just before it are gone, because the target keeps only so much."""
    resume: int = -1
    """The offset from which to follow on after it. The marks that tell stderr apart are
    counted, so it isn't always `offset + len(data)`, which is what -1 stands for."""

    @property
    def next_offset(self) -> int:
        return self.resume if self.resume >= 0 else self.offset + len(self.data)


RunEvent = Launched | OutputChunk | RunEnd


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the connection to a target is: what the header and the journal say of it."""

    target: str
    state: str
    """`connected`, `connecting`, `reconnecting` or `refused`."""
    detail: str = ""
    latency_ms: float | None = None
    attempt: int = 0


LinkListener = Callable[[LinkState], None]


class TargetError(Exception):
    """The target can't do it; the message says what, where and what next."""


class LaunchRefused(TargetError):
    """The target refuses this launch for good: an old epoch, or no place to write."""


class LinkLost(TargetError):
    """The connection went away; what happens on the target is unknown until asked."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent
        """False when there was no connection at all, so that nothing can have been started."""


class Target(Host, Protocol):
    """Where commands run and logs are."""

    async def launch(self, spec: RunSpec) -> bool:
        """Claim the run's directory and start the command, detached.

        True when this call started it, False when the run was there already (then
        it is attached to, not started). Raises `LaunchRefused`, `LinkLost`.
        """

    def run(self, spec: RunSpec) -> AsyncGenerator[RunEvent, None]:
        """Launch and follow in one go: `Launched`, output, and the `RunEnd` last.

        Raises what `launch` and `follow` raise; `LinkLost` before `Launched` says by `sent`
        whether anything can have been started. Close it (`aclosing`).
        """

    def follow(self, run_id: str, offset: int) -> AsyncGenerator[OutputChunk, None]:
        """The run's output from `offset` on, until the run has ended and all was read.

        Raises `LinkLost`; call again with `next_offset` to carry on. Close it (`aclosing`).
        """

    async def ended(self, run_id: str) -> RunEnd | None:
        """How the run ended, or None while it runs. Raises `LinkLost`."""

    async def cancel(self, run_id: str, grace_s: float) -> bool:
        """End the run's whole process group: TERM, then KILL. Raises `LinkLost`.

        What left the group is ended too, where /proc tells which run it belongs to. Returns
        whether the run was ended so, by this call or by one before; False: its command had ended
        by itself, or there is none.
        """

    async def clean(self, keep: Collection[str] = (), open_windows: Collection[str] = ()) -> int:
        """Remove the directories of ended runs that are older than the target keeps them.

        Running ones, those in `keep`, and all of an open or a lately used window stay. Gives
        the number of removed ones. Raises `LinkLost`.
        """

    async def close(self) -> None: ...
