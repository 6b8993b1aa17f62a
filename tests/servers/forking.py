"""The test's end of `fork_server.py`: starts processes that have everything imported."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SERVER = Path(__file__).with_name("fork_server.py")
ROOT = Path(__file__).parents[2]
MODULES = (
    "optibid_console.cli.main",
    "optibid_console.cli.engine",
    "optibid_console.targets.ssh",
    "optibid_console.feed.client",
    "websockets.asyncio.client",
    "websockets.asyncio.server",
)


@dataclass(eq=False)
class Forked:
    """A process that the fork server started."""

    server: ForkServer
    pid: int
    ended: asyncio.Future[int]
    """Its exit status, or minus the signal that ended it."""
    said: str = ""
    """What it said by its ready pipe."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def ready(self) -> None:
        """Wait until an engine is. Raises `AssertionError` with what it says when it isn't."""
        while not self.said and not self.ended.done():
            self.news.clear()
            await self.news.wait()
        assert self.said == "ready\n", self.said or f"ended with {self.ended.result()}"

    async def end(self, how: int = signal.SIGKILL) -> int:
        """Send it a signal and wait for its end."""
        if not self.ended.done():
            self.server.tell(do="kill", pid=self.pid, signal=int(how))
        return await asyncio.shield(self.ended)


class ForkServer:
    """Start it once; then `start` costs a fork."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._starting: dict[int, asyncio.Future[Forked]] = {}
        self._forked: dict[int, Forked] = {}

    async def begin(self, prefix: Sequence[str], env: Mapping[str, str], *modules: str) -> None:
        """`prefix`: the command that runs a command where the processes are to be. `modules`
        are imported beside the console's own."""
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-P", str(_SERVER), str(theirs.fileno()), *MODULES, *modules],
            pass_fds=(theirs.fileno(),), env={**env, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._answers, self._requests = await asyncio.open_unix_connection(sock=ours)
        self._reader = asyncio.create_task(self._read())

    async def start(
        self, what: str, *arguments: str, cwd: Path, log: Path, env: Mapping[str, str] | None = None
    ) -> Forked:
        """A process that runs `what` (`module:function`) with its arguments as a list;
        `{ready-fd}` in them becomes the pipe by which it says that it is ready."""
        number = next(self._ids)
        started = self._starting[number] = asyncio.get_running_loop().create_future()
        asked = {"what": what, "arguments": arguments, "cwd": str(cwd), "log": str(log)}
        self.tell(do="start", id=number, env=dict(env or {}), **asked)
        return await started

    def tell(self, **asked: Any) -> None:
        self._requests.write(json.dumps(asked).encode() + b"\n")

    async def close(self) -> None:
        """End it, and every process that it started."""
        self._requests.close()
        await asyncio.to_thread(self._process.wait)
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        async for line in self._answers:
            told = json.loads(line)
            pid = told["pid"]
            if "id" in told:
                forked = self._forked[pid] = Forked(self, pid, loop.create_future())
                self._starting.pop(told["id"]).set_result(forked)
            elif "said" in told:
                self._forked[pid].said += told["said"]
                self._forked[pid].news.set()
            else:
                forked = self._forked[pid]
                forked.ended.set_result(told["ended"])
                forked.news.set()
