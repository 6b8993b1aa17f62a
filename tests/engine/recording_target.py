"""A target that keeps what gets to it, in the place of a real one."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

from optibid_console.database.migrations import RELEASE_LISTING
from optibid_console.targets.target import (
    Ending,
    Launched,
    OutputChunk,
    RunEnd,
    RunEvent,
    RunSpec,
)
from probes.probe import Completed, HostError

WANTED = "database/migrations"
"""In the step that records the number of the release's last migration."""
LISTING = re.compile(r'cd -- "[^"]*database/migrations" && for file in ')


class Recording:
    """A real target's place: it keeps what gets to it, and each run ends well at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.launched: list[RunSpec] = []
        self.touched: list[str] = []

    async def launch(self, spec: RunSpec) -> bool:
        self.launched.append(spec)
        return True

    async def run(self, spec: RunSpec) -> AsyncGenerator[RunEvent, None]:
        self.launched.append(spec)
        yield Launched()
        yield OutputChunk(0, b"007\n" if WANTED in spec.command else b"something named\n")
        yield RunEnd(Ending.EXITED, 0)

    async def follow(self, run_id: str, offset: int) -> AsyncGenerator[OutputChunk, None]:
        self.touched.append(run_id)
        return
        yield

    async def ended(self, run_id: str) -> RunEnd | None:
        self.touched.append(run_id)
        return RunEnd(Ending.EXITED, 0)

    async def cancel(self, run_id: str, grace_s: float) -> bool:
        self.touched.append(run_id)
        return False

    async def clean(self, keep: Any = (), open_windows: Any = ()) -> int:
        self.touched.append("clean")
        return 1

    async def execute(self, command: str, **given: Any) -> Completed:
        # the probes of `with_quiet_probes`, and the listing of migration files
        reads = LISTING.match(command) or command == _release_listing(command)
        assert command == "true" or reads
        return Completed(0, b"", b"")

    def stream(self, command: str) -> Any:
        raise AssertionError(command)

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        raise HostError(f"{host} isn't there")  # databases are asked, and only asked

    async def knock(self, host: str, port: int) -> None:
        return

    async def reach_socket(self, path: str) -> str:
        raise AssertionError(path)

    async def authenticate(self, not_before: float) -> None:
        return

    async def close(self) -> None:
        return


def _release_listing(command: str) -> str:
    """The listing of a release's migration files for the values that the command begins with."""
    values = re.search(r'^release=("[^"]*") directory=("[^"]*")$', command, re.M)
    known = re.match(r"known=([0-9a-f]*)\n", command)
    if values is None or known is None:
        return ""
    return RELEASE_LISTING.format(revision=values[1], directory=values[2], known=known[1])
