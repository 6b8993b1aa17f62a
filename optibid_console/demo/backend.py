"""The stand-in for OptiBid's backend: `python -m optibid_console.demo.backend RELEASE_DIR`.

Serves one release on 127.0.0.1:$BACKEND_PORT from the real database ($DATABASE_URL), with
the habits of the real one: health in the body, one trusted Host header, doubled `ws`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from psycopg.rows import TupleRow
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from optibid_console.demo.fault import Effects, effects
from optibid_console.demo.metrics import Metrics
from optibid_console.demo.place import PUBLIC_NAME
from optibid_console.demo.release import Release, read_release
from optibid_console.demo.serving import log_like_optibid, serve
from probes.error_words import error_words

ZONES = ("PJM", "CAISO", "ERCOT", "NYISO")
_WORK_S = (0.03, 0.08)
_log = log_like_optibid()


class Database:
    """One connection to PostgreSQL, made anew when it was lost."""

    def __init__(self, url: str, metrics: Metrics) -> None:
        self._url = url
        self._metrics = metrics
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def fetch(self, query: str, *parameters: object) -> list[TupleRow]:
        """All rows. Raises `psycopg.Error`."""
        async with self._one_at_a_time:
            try:
                with self._metrics.query.time():
                    rows = await self._fetch(query, parameters)
            except psycopg.Error:
                self._metrics.database_up.set(0)
                await self.close()
                raise
            self._metrics.database_up.set(1)
            return rows

    async def _fetch(self, query: str, parameters: tuple[object, ...]) -> list[TupleRow]:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=3
            )
        done = await self._connection.execute(query.encode(), parameters)
        return await done.fetchall()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


class Backend:
    """The endpoints of one release."""

    def __init__(self, release: Release, database: Database, metrics: Metrics) -> None:
        self._release = release
        self._database = database
        self._metrics = metrics
        self._started = time.monotonic()
        self._chance = random.Random(release.version)

    def _severity(self) -> float:
        fault = self._release.fault
        return fault.severity(time.monotonic() - self._started) if fault else 0.0

    def _effects(self) -> Effects:
        found = effects(self._severity())
        self._metrics.pool.set(found.pool_available)
        return found

    async def health(self, request: Request) -> Response:
        """200 whatever happens: the status is in the body."""
        try:
            await self._database.fetch("SELECT 1")
        except psycopg.Error as error:
            _log.error("Health check failed: %s", one_line(error))
            return JSONResponse({"status": "error", "error": one_line(error)})
        pool = self._effects().pool_available
        database = "healthy" if pool else "degraded"
        return JSONResponse(
            {
                "status": database,
                "version": self._release.version,
                "services": {
                    "database": {"status": database, "pool_available": pool},
                    "websocket": "healthy",
                    "redis": "not_configured",
                },
            }
        )

    async def metrics(self, request: Request) -> Response:
        self._effects()
        self._metrics.measure_process()
        page = generate_latest(self._metrics.registry)
        return Response(page, media_type=CONTENT_TYPE_LATEST)

    async def latest(self, request: Request) -> Response:
        """The newest price of each zone."""
        return await self._answer(self._latest())

    async def bids(self, request: Request) -> Response:
        return await self._answer(self._bids())

    async def login(self, request: Request) -> Response:
        try:
            said = await request.json()
            email, password = str(said["email"]), str(said["password"])
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"detail": "email and password are needed"}, 422)
        return await self._answer(self._login(email, password))

    async def _answer(self, work: Any) -> Response:
        """The work's answer, as late and as wrong as this release makes it."""
        now = self._effects()
        await asyncio.sleep(self._chance.uniform(*_WORK_S) + now.delay_s)
        if self._chance.random() < now.error_share:
            work.close()
            _log.error(
                "QueuePool limit of size 20 overflow 0 reached, connection timed out, "
                "%d connections available",
                now.pool_available,
            )
            return JSONResponse({"detail": "Internal Server Error"}, 500)
        try:
            answer: Response = await work
        except psycopg.Error as error:
            _log.error("Query failed: %s", one_line(error))
            return JSONResponse({"detail": "Internal Server Error"}, 500)
        return answer

    async def _latest(self) -> Response:
        rows = await self._database.fetch(
            f"SELECT DISTINCT ON (market_zone) market_zone, at, {self._release.price_column}"
            " FROM market_prices ORDER BY market_zone, at DESC"
        )
        return JSONResponse(
            [
                {"zone": zone, "at": at.isoformat(), "price": float(price)}
                for zone, at, price in rows
            ]
        )

    async def _bids(self) -> Response:
        rows = await self._database.fetch(
            "SELECT id, market_zone, quantity_mwh, status FROM bids ORDER BY id DESC LIMIT 20"
        )
        return JSONResponse(
            [{"id": n, "zone": z, "mwh": float(mwh), "status": s} for n, z, mwh, s in rows]
        )

    async def _login(self, email: str, password: str) -> Response:
        digest = hashlib.sha256(password.encode()).hexdigest()
        rows = await self._database.fetch(
            "SELECT id FROM users WHERE email = %s AND password_sha256 = %s", email, digest
        )
        if not rows:
            return JSONResponse({"detail": "Incorrect email or password"}, 401)
        token = hashlib.sha256(os.urandom(16)).hexdigest()
        return JSONResponse({"access_token": token, "token_type": "bearer"})

    async def market(self, socket: WebSocket) -> None:
        """Prices of a zone, one a second, until the client leaves."""
        zone = socket.path_params["zone"]
        await socket.accept()
        if zone not in ZONES:
            self._metrics.socket_failures.inc()
            await socket.close(1008, f"unknown market zone {zone!r}")
            return
        with self._metrics.sockets.track_inprogress():
            await socket.send_json({"type": "connection_established", "zone": zone})
            try:
                await self._send_prices(socket, zone)
            except WebSocketDisconnect:
                return

    async def _send_prices(self, socket: WebSocket, zone: str) -> None:
        while True:
            try:
                said = await asyncio.wait_for(socket.receive_text(), 1.0)
            except TimeoutError:
                price = round(self._chance.uniform(25, 60), 2)
                await socket.send_json({"type": "price_update", "zone": zone, "price": price})
            else:
                await socket.send_json({"type": "pong" if said == "ping" else "ignored"})


class Measured:
    """Counts and times what the API answers; probes of /health and /metrics don't count."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                method, status = scope["method"], str(message["status"])
                self._metrics.requests.labels(method, status).inc()
                self._metrics.duration.labels(method).observe(time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, counted)


def one_line(error: BaseException) -> str:
    return error_words(error)


def build(release: Release, database_url: str) -> Starlette:
    """The release as an ASGI application."""
    metrics = Metrics()
    backend = Backend(release, Database(database_url, metrics), metrics)
    return Starlette(
        routes=[
            Route("/health", backend.health),
            Route("/metrics", backend.metrics),
            Route("/api/market-data/latest", backend.latest),
            Route("/api/bids", backend.bids),
            Route("/api/auth/login", backend.login, methods=["POST"]),
            WebSocketRoute("/api/ws/ws/market/{zone}", backend.market),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[PUBLIC_NAME]),
            Middleware(Measured, metrics=metrics),
        ],
    )


def main() -> None:
    release = read_release(Path(sys.argv[1]))
    _log.info("OptiBid backend %s starting, pid %d", release.version, os.getpid())
    serve(build(release, os.environ["DATABASE_URL"]), int(os.environ["BACKEND_PORT"]))
    _log.info("OptiBid backend %s stopped", release.version)


if __name__ == "__main__":
    main()
