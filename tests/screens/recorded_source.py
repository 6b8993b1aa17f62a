"""A source that plays a recorded window and keeps what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from optibid_console.commands import Accepted, Command, Reply
from optibid_console.signals import Link, LogLines, Output, Presence, Pulse, Sampled, Signal
from optibid_console.source import CaughtUp, Event, Role
from probes.probe import Reading, Status
from tests.screens.recording import NOW, T0, Recorder, list_runs, reading


def signals(r: Recorder, now: float = NOW) -> list[Signal]:
    """Passing facts of the good day: output, samples, logs, presence, a pulse."""
    run_id = list_runs(r)[-1] if list_runs(r) else ""
    made: list[Signal] = [Pulse(now, 0.4), Presence(("support", "product", "cto"))]
    made.append(Link("app-1", "connected", "", 12.0))
    output = (
        b"Executing migration: 004_market_prices\n"
        + "\x1b[32m✓\x1b[0m 003_seed_data 412 ms\n".encode()
    )
    made.append(Output(run_id, 0, output + b"[bold]creating[/bold] index market_prices_at_idx\n"))
    for name, value in (
        ("postgres", 3.0),
        ("market-ws", 41.0),
        ("disk-space", None),
        ("backup-verified", None),
    ):
        unit = "ms" if value is not None else ""
        made.append(
            Sampled("probe", reading(name, Status.OK, "fine", now - 1, value=value, unit=unit))
        )
    late = reading("migrations-applied", Status.WARN, "004_market_prices is pending", now - 1)
    made.append(Sampled("probe", late))
    made.append(Sampled("probe", reading("redis", Status.OK, "PONG", now - 42)))
    said = 'status "error": database is migrating'
    made.append(Sampled("probe", reading("backend-health", Status.FAILING, said, now - 1)))
    for i in range(24):
        at = now - 48 + 2 * i
        for panel, value, unit in (("cpu", 30.0 + i % 7 * 2, "percent"),
                                   ("memory", 63.0, "percent"),
                                   ("p95", 150.0 + i * 3, "ms"), ("errors", 0.004, "ratio"),
                                   ("ws", 1204.0 - i, "count")):  # fmt: skip
            sample = Reading(panel, Status.OK, "", at, 4.0, value, unit)
            made.append(Sampled("panel", sample))
    made += [
        LogLines("backend", _log_lines("backend"), 40),
        LogLines("postgres", _log_lines("postgres"), 40),
    ]
    return made


def _log_lines(tail: str) -> bytes:
    lines = []
    for i in range(40):
        moment = f"2026-11-24 20:17:{i:02}"
        if tail == "postgres":
            lines.append(f"{moment} UTC [81] LOG:  checkpoint complete: wrote {i * 11} buffers")
        elif i % 9 == 4:
            lines.append(
                f"{moment} - main - ERROR - Health check failed: [red]database is migrating[/red]"
            )
        else:
            lines.append(
                f'{moment} - uvicorn - INFO - 10.0.0.{i}:5059 - "GET /health HTTP/1.1" 200 OK'
            )
    return "".join(f"{line}\n" for line in lines).encode()


class RecordedSource:
    """Plays events as a live engine would, and keeps the commands that are sent."""

    def __init__(self, events: Iterable[Event] = (), *, reply: Reply | None = None) -> None:
        self.name = "oncall-1"
        self.sent: list[Command] = []
        self.reply: Reply = Accepted() if reply is None else reply
        self.closed = False
        self._waiting = False
        self.commanded = asyncio.Event()
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        for event in events:
            self.push(event)

    def push(self, *events: Event) -> None:
        for event in events:
            self._queue.put_nowait(event)

    @property
    def drained(self) -> bool:
        """Everything that was pushed has been asked for, and the last one been taken."""
        return self._queue.empty() and self._waiting

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def events(self) -> AsyncIterator[Event]:
        while True:
            self._waiting = True
            event = await self._queue.get()
            self._waiting = False
            if event is None:
                return
            yield event

    async def send(self, command: Command) -> Reply:
        self.sent.append(command)
        self.commanded.set()
        return self.reply

    async def close(self) -> None:
        self.closed = True


def played(r: Recorder, *, operator: bool = True, now: float = NOW) -> list[Event]:
    """The recording as a source gives it: entries, role, caught up, then signals."""
    role = Role(operator, "oncall-1", T0 - 62 * 60)
    return [*r.entries, role, CaughtUp(len(r.entries)), *signals(r, now)]
