"""Connections that read and forget: N observers, or N clients of the bare server.

Arguments: `observers` or `bare`, how many, `read` or `stop`. The link is in $OPTIBID_LINK, the
bare port in $BARE_PORT. Prints `ready`; ends with standard input.
"""

from __future__ import annotations

import asyncio
import os
import sys

from websockets.asyncio.client import ClientConnection, connect

from optibid_console.feed.certificate import client_context
from optibid_console.feed.link import parse_link
from optibid_console.feed.messages import SUBPROTOCOL, Hello
from optibid_console.feed.wire import encode_hello


async def joined(kind: str, number: int) -> ClientConnection:
    given = {"ssl": client_context(), "compression": None, "ping_interval": None,
             "max_size": None, "proxy": None}  # fmt: skip
    if kind == "bare":
        ws = await connect(f"wss://127.0.0.1:{os.environ['BARE_PORT']}/", **given)
        await ws.send("[]")
        await ws.recv()
        return ws
    link = parse_link(os.environ["OPTIBID_LINK"])
    ws = await connect(f"wss://{link.address}/", subprotocols=[SUBPROTOCOL], **given)
    hello = Hello(f"sink{number}", "watch", token=link.token, snapshot=True)
    await ws.send(encode_hello(hello), text=True)
    while b'"caught_up"' not in await ws.recv(decode=False):
        pass
    return ws


async def forget(ws: ClientConnection) -> None:
    while True:
        await ws.recv(decode=False)


async def main() -> None:
    kind, count, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    connections = [await joined(kind, number) for number in range(count)]
    tasks = []
    for ws in connections:
        if how == "read":
            tasks.append(asyncio.create_task(forget(ws)))
        else:
            ws.transport.pause_reading()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(1 if any(task.done() for task in tasks) else 0)


if __name__ == "__main__":
    asyncio.run(main())
