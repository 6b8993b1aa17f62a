"""The demo's users: `python -m optibid_console.demo.traffic BACKEND_PORT FRONTEND_PORT`.

Steady requests and a few WebSocket clients that come back when they are dropped.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

import httpx
import websockets
from websockets.asyncio.client import connect

from optibid_console.demo.place import PUBLIC_NAME
from optibid_console.demo.serving import log_like_optibid
from probes.error_words import error_words

WORKERS = 4
SOCKETS = 8
_PAUSE_S = 0.25
_RETRY_S = 0.5
_ZONES = ("PJM", "CAISO", "ERCOT", "NYISO")


async def ask_for_ever(client: httpx.AsyncClient, worker: int, log: logging.Logger) -> None:
    """One user: looks at prices and bids, and logs in now and then."""
    asked = worker
    while True:
        asked += 1
        try:
            if asked % 10 == 0:
                said = {"email": "test@example.com", "password": "testpass"}
                answer = await client.post("/api/auth/login", json=said)
            else:
                path = "/api/bids" if asked % 3 == 0 else "/api/market-data/latest"
                answer = await client.get(path)
            if answer.is_server_error:
                log.warning("%s %s", answer.status_code, answer.request.url.path)
        except httpx.HTTPError as error:
            log.warning("backend: %s", error_words(error))
            await asyncio.sleep(_RETRY_S)
        await asyncio.sleep(_PAUSE_S)


async def browse_for_ever(client: httpx.AsyncClient, log: logging.Logger) -> None:
    while True:
        try:
            await client.get("/")
            await client.get("/_next/static/css/main.css")
        except httpx.HTTPError as error:
            log.warning("frontend: %s", error_words(error))
        await asyncio.sleep(1.0)


async def listen_for_ever(port: int, zone: str) -> None:
    """A WebSocket client that takes what comes, and connects again after a while."""
    uri = f"ws://{PUBLIC_NAME}/api/ws/ws/market/{zone}"
    while True:
        try:
            async with connect(uri, host="127.0.0.1", port=port, open_timeout=3) as socket:
                async for _ in socket:
                    continue
        except (OSError, TimeoutError, websockets.WebSocketException):
            await asyncio.sleep(_RETRY_S)


async def run(backend_port: int, frontend_port: int) -> None:
    """All users, until this process is told to end."""
    log = log_like_optibid()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    api = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{backend_port}",
        headers={"Host": PUBLIC_NAME},
        timeout=5,
        trust_env=False,
    )
    pages = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{frontend_port}", timeout=5, trust_env=False
    )
    async with api, pages:
        users = [asyncio.create_task(ask_for_ever(api, one, log)) for one in range(WORKERS)]
        users.append(asyncio.create_task(browse_for_ever(pages, log)))
        for one in range(SOCKETS):
            zone = _ZONES[one % len(_ZONES)]
            users.append(asyncio.create_task(listen_for_ever(backend_port, zone)))
        await stop.wait()
        for user in users:
            user.cancel()
        await asyncio.gather(*users, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), int(sys.argv[2])))
