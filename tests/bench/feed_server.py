"""A window that is shared, and beside it the barest `websockets` server there can be.

Commands come as JSON lines, each is answered by one. First line: where both are.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from measured import resident_mb
from websockets.asyncio.server import ServerConnection, broadcast, serve

from optibid_console.engine.ledger import Ledger
from optibid_console.engine.sharing import Sharing
from optibid_console.entries import NoteWritten
from optibid_console.feed.certificate import server_context
from optibid_console.feed.hub import Hub
from optibid_console.feed.wire import encode
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.runbook.secrets import Secrets
from optibid_console.signals import LogLines, Sampled
from probes.probe import Reading, Status


class Bench:
    """The shared window, the bare server, and what each can be asked."""

    def __init__(self, ledger: Ledger, hub: Hub, sharing: Sharing) -> None:
        self.ledger = ledger
        self.hub = hub
        self.sharing = sharing
        self.bare: set[ServerConnection] = set()

    async def serve_bare(self, ws: ServerConnection) -> None:
        """Sends frames of the sizes that it is asked for; then takes part in broadcasts."""
        sizes = json.loads(await ws.recv())
        data = os.urandom(max(sizes, default=0))
        for size in sizes:
            await ws.send(data[:size])
        self.bare.add(ws)
        await ws.send("all")
        await ws.wait_closed()
        self.bare.discard(ws)

    async def do(self, asked: dict[str, Any]) -> dict[str, Any]:
        match asked["do"]:
            case "counts":
                listener = self.sharing._listener
                return {"observers": listener.watchers if listener else 0, "bare": len(self.bare)}
            case "fan-out":
                return await self._timed(self._publish, asked["count"])
            case "broadcast":
                return await self._timed(self._broadcast, asked["count"])
            case "flood":
                for _ in range(asked["megabytes"] * 10):
                    self.hub.signal(LogLines("app", os.urandom(100_000), 1))
                    await asyncio.sleep(0.001)
                await self.ledger.record(NoteWritten("window", "flooded"))
        return {"resident_mb": resident_mb(os.getpid())}

    async def _timed(self, work: Any, count: int) -> dict[str, Any]:
        before = time.process_time()
        await work(count)
        await asyncio.sleep(0.3)  # what is still in buffers belongs to it
        return {"cpu_s": time.process_time() - before}

    async def _publish(self, count: int) -> None:
        for i in range(count):
            self.hub.signal(signal(i))
            await asyncio.sleep(0.002)

    async def _broadcast(self, count: int) -> None:
        for i in range(count):
            frame = encode(signal(i), i + 1)
            broadcast(self.bare, frame.data if not frame.text else frame.data.decode())
            await asyncio.sleep(0.002)


def signal(i: int) -> LogLines | Sampled:
    """As they come in a window: a batch of log lines, and samples."""
    if i % 3 == 0:
        return LogLines("backend", b"INFO GET /api/markets 200 in 12 ms\n" * 30, 30, at=float(i))
    return Sampled("probe", Reading("backend", Status.OK, "status healthy", float(i), 12.0))


async def main() -> None:
    journal = SpillingJournal(await SqliteJournal.open(Path(sys.argv[1]), create=True),
                              Path(sys.argv[1]))  # fmt: skip
    hub = Hub()
    ledger = Ledger(journal, hub, Secrets())
    await ledger.restore()
    sharing = Sharing(ledger, hub, journal)
    await sharing.start("127.0.0.1:0", "", "", "bench")
    link = await sharing.share("bench", 1.0, "bench")
    bench = Bench(ledger, hub, sharing)
    context, _ = await asyncio.to_thread(server_context)
    server = await serve(
        bench.serve_bare, "127.0.0.1", 0, ssl=context, compression=None, ping_interval=None
    )
    port = next(iter(server.sockets)).getsockname()[1]
    print(json.dumps({"link": link, "bare": port}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await bench.do(json.loads(line))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
