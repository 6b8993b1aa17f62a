"""One page's process: the watching screen, drawn for the browser instead of a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from probes.text import one_line

QUIT_S = 2.0
"""For so long a process that is told to end may take to do so."""
READY_S = 30.0
MOST_PACKET_BYTES = 4 * 1024 * 1024
MOST_COLUMNS, MOST_ROWS = 400, 150
_LEAST_COLUMNS, _LEAST_ROWS = 10, 4
_SAID_BYTES = 16 * 1024
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "PYTHONPATH", "TZ", "XDG_STATE_HOME")
_PRELUDE = b"__GANGLION__\n"
DRIVER = "screens.page_driver:PageDriver"


class PageProcess(AppService):
    """textual-serve's app service (its packets in both directions) with what a page open to
    other people needs: no shell, no environment but what the screen needs, no downloads, and
    an end within seconds, whatever the process does.

    `link` opens the window for it. It goes through the environment, where ps doesn't show it.
    """

    def __init__(
        self,
        argv: Sequence[str],
        link: Mapping[str, str],
        *,
        write: Callable[[bytes], Awaitable[None]],
        ended: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(
            "", write_bytes=write, write_str=_nothing, close=ended,
            download_manager=DownloadManager(),
        )  # fmt: skip
        self._argv = tuple(argv)
        self._link = dict(link)
        self._said = b""
        self._ready = False
        self._hearing: list[asyncio.Task[None]] = []

    @property
    def said(self) -> str:
        """What it said last on its standard error; empty: nothing."""
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        return one_line(lines[-1], 300) if lines else ""

    @property
    def exit_code(self) -> int | None:
        """Its exit status, once it has ended; None: it hasn't."""
        return self._process.returncode if self._process else None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self, width: int, height: int) -> None:
        """Start it, for a page of so many columns and rows. Raises `OSError`."""
        await super().start(*bounded(width, height))

    async def set_terminal_size(self, width: int, height: int) -> None:
        await super().set_terminal_size(*bounded(width, height))

    async def stop(self) -> None:
        """End it: asked first, so that it takes its leave of the feed, after two seconds killed.
        Gives nothing back before it is gone."""
        process, task = self._process, self._task
        if process is None or task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert process.stdout is not None
        # its output has to be read on: asyncio sees a process end only once its pipes have
        rest = asyncio.create_task(_to_the_end(process.stdout))
        if self._ready:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIT_S):
                    await self.send_meta({"type": "quit"})
                    await asyncio.shield(rest)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.gather(rest, *self._hearing)
        await process.wait()
        self._task = None

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {
            **kept,
            "TEXTUAL_DRIVER": DRIVER,
            "TEXTUAL_COLOR_SYSTEM": "truecolor",
            "TERM": "xterm-256color",
            "COLUMNS": str(width),
            "ROWS": str(height),
            **self._link,
        }

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        self._stdin = self._process.stdin
        return self._process

    async def run(self) -> None:
        """Pass on what it draws until it ends."""
        assert self._process is not None
        stdout = self._process.stdout
        assert stdout is not None
        self._hearing.append(asyncio.create_task(self._hear(self._process)))
        try:
            async with asyncio.timeout(READY_S):
                self._ready = await _prelude(stdout)
            if self._ready:
                await self._pass_on(stdout)
        except (asyncio.IncompleteReadError, TimeoutError, ValueError, OSError):
            pass  # it has ended, or isn't one of ours; or the page is gone: `stop` comes
        await asyncio.wait(self._hearing, timeout=QUIT_S)
        with contextlib.suppress(TimeoutError):  # its status says why it ended
            async with asyncio.timeout(QUIT_S):
                await _to_the_end(stdout)
                await self._process.wait()
        await self.remote_close()

    async def _pass_on(self, stdout: asyncio.StreamReader) -> None:
        while True:
            head = await stdout.readexactly(5)
            size = int.from_bytes(head[1:], "big")
            if size > MOST_PACKET_BYTES:
                raise ValueError(f"a packet of {size} bytes")
            payload = await stdout.readexactly(size)
            if head[:1] == b"D":
                await self.remote_write_bytes(payload)
            elif head[:1] == b"M" and json.loads(payload).get("type") == "exit":
                return
            # nothing else has a meaning here: no page is opened, no file delivered

    async def _hear(self, process: Process) -> None:
        assert process.stderr is not None
        while data := await process.stderr.read(4096):
            self._said = (self._said + data)[-_SAID_BYTES:]


def bounded(width: int, height: int) -> tuple[int, int]:
    """A size that can be drawn: what a page asks for is no reason to fill the memory."""
    return (
        max(_LEAST_COLUMNS, min(width, MOST_COLUMNS)),
        max(_LEAST_ROWS, min(height, MOST_ROWS)),
    )


async def _prelude(stdout: asyncio.StreamReader) -> bool:
    """Whether it says that it is an app, within its first lines."""
    for _ in range(10):
        line = await stdout.readline()
        if line == _PRELUDE or not line:
            return bool(line)
    return False


async def _to_the_end(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


async def _nothing(text: str) -> None:
    """Only what is drawn goes to the page."""
