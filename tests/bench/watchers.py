"""Many observers in one process: each entry's arrival, as JSON lines at the end.

Arguments: how many, and how each is called. The link is in $OPTIBID_LINK; ends with standard
input. `ready` is printed once all have caught up.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time

from websockets.asyncio.client import connect

from optibid_console.feed.certificate import client_context
from optibid_console.feed.link import Link, parse_link
from optibid_console.feed.messages import SUBPROTOCOL, Hello
from optibid_console.feed.wire import encode_hello

SEQ = re.compile(rb'^\{"entry":\{"seq":(\d+)')


async def watch(link: Link, name: str, got: dict[int, float], ready: asyncio.Event) -> None:
    scheme = "wss" if link.fingerprint else "ws"
    async with connect(
        f"{scheme}://{link.address}/", ssl=client_context() if link.fingerprint else None,
        subprotocols=[SUBPROTOCOL], compression=None, ping_interval=None, max_size=None,
        proxy=None,
    ) as ws:  # fmt: skip
        await ws.send(encode_hello(Hello(name, "watch", token=link.token)), text=True)
        while True:
            frame = await ws.recv(decode=False)
            found = SEQ.match(frame)
            if found:
                got[int(found[1])] = time.time()
            elif frame.startswith(b'{"caught_up"'):
                ready.set()


async def main() -> None:
    link = parse_link(os.environ["OPTIBID_LINK"])
    count = int(sys.argv[1])
    got: list[dict[int, float]] = [{} for _ in range(count)]
    readies = [asyncio.Event() for _ in range(count)]
    tasks = []
    for i in range(count):
        tasks.append(asyncio.create_task(watch(link, f"{sys.argv[2]}{i}", got[i], readies[i])))
        await asyncio.sleep(0.01)
    for ready, task in zip(readies, tasks, strict=True):
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait((waiting, task), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            raise RuntimeError("an observer ended at once")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for one in got:
        print(json.dumps(one), flush=True)
    ended = [one for one in tasks if one.done()]
    print(f"{len(ended)} ended early", file=sys.stderr)
    os._exit(1 if ended else 0)


if __name__ == "__main__":
    asyncio.run(main())
