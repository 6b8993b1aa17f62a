"""The web server: a page that asks for a token, and one that shows the window.

| path | is |
| --- | --- |
| `/` | asks for a token; takes the one behind `#` |
| `POST /enter` | `{"token": …}` → a session's cookie, when the feed takes the token |
| `/entered` | whether the browser has a session |
| `POST /leave` | forgets it |
| `/window` | the terminal |
| `/ws` | its WebSocket, in the words of textual-serve's page, and `["taken", BYTES]` |
| `/static/…` | what `pages.parts` has |
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Protocol

from aiohttp import WSCloseCode, web
from aiohttp.web_protocol import RequestHandler

from optibid_console.admission.connections import ConnectionLimits, Standing
from optibid_console.admission.listener import (
    LimitedConnection,
    LimitedListener,
    ListenerLimits,
    open_listener,
)
from optibid_console.admission.throttle import AuthThrottle, ThrottlePolicy, TooManyFailures
from optibid_console.printed import safe
from optibid_console.source import SourceError
from optibid_console.web import pages
from optibid_console.web.doors import IDLE_S, Doors, Session
from optibid_console.web.forwarded import client_address
from optibid_console.web.names import Names
from optibid_console.web.page import Page
from probes.error_words import bug_words

CONNECTIONS = ConnectionLimits(total=256, of_address=128, of_network=192)
THROTTLE = ThrottlePolicy(first_s=1.0, most_s=30.0, free=3, waiting=8, waiting_in_all=128)
REQUEST_S = 30.0
"""For how long a connection may take for a request while it has no session."""
MAX_PAGES, MAX_PAGES_OF_ONE = 24, 4
"""Each page is a process of some 60 MB."""
MAX_TOKEN = 2000
PROVED_S = 30.0
"""A token that the feed took so lately isn't asked about again before a page's process starts."""
QUIET_S = 20.0
"""A connection on which nobody asks for anything is closed after so long."""
_BODY_BYTES = 8 * 1024
_TURNED_AWAY = "this token doesn't open the window: it is wrong, has expired or was taken back"


class NotAdmitted(SourceError):
    """The feed doesn't take this token."""


class Door(Protocol):
    """What stands before the feed."""

    async def admit(self, token: str) -> None:
        """Join the feed with a token and leave again. Raises `NotAdmitted`, or `SourceError`
        when the feed can't be asked."""

    def key(self, token: str) -> Mapping[str, str]:
        """What a page's process needs in its environment to join with this token."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where pages are served, and as what."""

    host: str
    port: int
    """0: a free one is taken."""
    tls: SSLContext | None = None
    names: Sequence[str] = ()
    """Names, besides its addresses, by which browsers may ask for it."""
    proxies: frozenset[str] = frozenset()
    """Addresses of the proxies whose word about a client's address counts."""


class Site:
    """Serves one window to browsers. `argv` is the command of a page's process."""

    def __init__(
        self,
        door: Door,
        argv: Sequence[str],
        listening: Listening,
        title: str,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.port = listening.port
        self._door = door
        self._argv = tuple(argv)
        self._listening = listening
        self._tls = listening.tls is not None
        self._title = safe(title)
        self._tell = tell
        self._clock = clock
        self._doors = Doors(clock)
        self._throttle = AuthThrottle(
            THROTTLE, "a token from {address} was turned away ({count})", tell, clock
        )
        self._pages: set[Page] = set()
        self._parts = pages.parts()
        self._names = Names(listening.host, 0, listening.names, tls=self._tls)
        self._runner: web.AppRunner | None = None
        self._listener: LimitedListener | None = None
        self._connections: dict[asyncio.BaseProtocol, LimitedConnection] = {}

    @property
    def processes(self) -> tuple[int, ...]:
        """The process ids of all open pages."""
        return tuple(one.process.pid for one in self._pages if one.process.pid)

    async def start(self) -> None:
        """Listen from now on. Raises `OSError`."""
        app = web.Application(client_max_size=_BODY_BYTES, middlewares=[self._guarded])
        app.add_routes(
            [
                web.get("/", self._enter_page),
                web.post("/enter", self._enter),
                web.get("/entered", self._entered),
                web.post("/leave", self._leave),
                web.get("/window", self._window_page),
                web.get("/ws", self._websocket),
                web.get("/static/{name}", self._part),
            ]
        )
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, keepalive_timeout=QUIET_S
        )
        await self._runner.setup()
        at = self._listening
        self._listener = await asyncio.to_thread(
            open_listener, at.host, at.port, listener_limits(), at.proxies
        )
        self._listener.start(self._connection, at.tls)
        self.port = self._listener.port
        self._names = Names(self._listening.host, self.port, self._listening.names, tls=self._tls)

    async def close(self) -> None:
        """End every page and its process, and stop listening."""
        if self._listener is not None:
            self._listener.close()
        self._throttle.close()
        leaving = [page.close(WSCloseCode.GOING_AWAY, "The page's server has stopped.")
                   for page in self._pages]  # fmt: skip
        await asyncio.gather(*leaving, return_exceptions=True)
        if self._runner is not None:
            await self._runner.shutdown()
            await self._runner.cleanup()
        if self._listener is not None:
            await self._listener.wait_closed()

    def _connection(self, limited: LimitedConnection) -> asyncio.Protocol:
        assert self._runner is not None
        server = self._runner.server
        assert server is not None
        handler: RequestHandler = server()
        self._connections[handler] = limited
        limited.on_close = lambda: self._gone(handler)
        return handler

    def _gone(self, handler: RequestHandler) -> None:
        self._connections.pop(handler, None)

    def _move(self, request: web.Request, standing: Standing) -> None:
        limited = self._connections.get(request.protocol)
        if limited is not None:
            limited.move(standing)

    def _client(self, request: web.Request) -> str:
        return client_address(request.remote or "", request.headers, self._listening.proxies)

    # What every request passes

    @web.middleware
    async def _guarded(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if self._session(request) is None:
            self._move(request, Standing.ANONYMOUS)
        try:
            self._check(request, host)
            response = await handler(request)
        except web.HTTPException as error:
            response = _plain(error.status, error.text or error.reason)
            if location := error.headers.get("Location"):
                response.headers["Location"] = location
        except Exception as error:  # one request's trouble must not end the others'
            self._tell(bug_words(error))
            response = _plain(500, "the page's server failed at this")
        if not response.prepared:
            known = self._names.is_ours(host)
            response.headers.update(
                pages.security_headers(host if known else "localhost", tls=self._tls)
            )
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers["Server"] = "optibid-console"
        return response

    def _check(self, request: web.Request, host: str) -> None:
        """Whether it was meant for this page, and comes from it where that matters."""
        if len(request.headers.getall("Host", [])) != 1 or not self._names.is_ours(host):
            raise web.HTTPMisdirectedRequest(text="this page isn't served under that name")
        asks_for_more = request.method != "GET" or request.path == "/ws"
        origin = request.headers.get("Origin", "")
        if asks_for_more and not self._names.is_own_origin(origin, host):
            raise web.HTTPForbidden(text="another site's page asks for this")

    # The door

    async def _enter_page(self, request: web.Request) -> web.Response:
        return _html(pages.enter_page())

    async def _enter(self, request: web.Request) -> web.Response:
        token = await _token(request)
        if not token:
            return _json(400, why="no token was given")
        client = self._client(request)
        try:
            await self._door.admit(token)
        except NotAdmitted:
            return await self._turned_away(request, client)
        except SourceError as error:
            return _json(503, why=str(error))
        self._throttle.succeeded(client)
        self._move(request, Standing.KNOWN)
        response = _json(200)
        over_tls = request.headers["Origin"].startswith("https://")  # maybe only to a proxy
        response.set_cookie(
            self._cookie, self._doors.let_in(token), max_age=int(IDLE_S), path="/",
            httponly=True, secure=over_tls, samesite="Strict",
        )  # fmt: skip
        return response

    async def _turned_away(self, request: web.Request, client: str) -> web.Response:
        self._move(request, Standing.FAILED)
        try:
            await self._throttle.failed(client, _TURNED_AWAY)
        except TooManyFailures:
            response = _json(429, why="too many wrong tokens; try again in a minute")
            response.force_close()  # the next try costs a connection
            return response
        finally:
            self._move(request, Standing.ANONYMOUS)
        return _json(403, why=_TURNED_AWAY)

    async def _entered(self, request: web.Request) -> web.Response:
        return _json(200, entered=self._session(request) is not None)

    async def _leave(self, request: web.Request) -> web.Response:
        self._doors.put_out(request.cookies.get(self._cookie, ""))
        response = web.Response(status=204)
        response.del_cookie(self._cookie, path="/")
        return response

    @property
    def _cookie(self) -> str:
        # cookies know no ports: another window's page may be served beside this one
        return f"{'__Host-' if self._tls else ''}optibid-{self.port}"

    def _session(self, request: web.Request) -> Session | None:
        cookie = request.cookies.get(self._cookie, "")
        session = self._doors.find(cookie) if cookie else None
        if session is not None:
            self._move(request, Standing.KNOWN)
        return session

    # The window

    async def _window_page(self, request: web.Request) -> web.Response:
        if self._session(request) is None:
            raise web.HTTPSeeOther("/")
        return _html(pages.window_page(self._title))

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        if session is None:
            raise web.HTTPForbidden(text="show your token first")
        page = Page(self._argv, self._door.key(session.token))
        await page.open(request)
        if len(self._pages) >= MAX_PAGES or session.pages >= MAX_PAGES_OF_ONE:
            most = f"{MAX_PAGES_OF_ONE} of yours" if session.pages >= MAX_PAGES_OF_ONE else "all"
            await page.close(*_too_many(most))
            return page.socket
        self._move(request, Standing.AUTHENTICATED)
        self._pages.add(page)
        session.pages += 1
        try:
            if await self._still_opens(session, request, page):
                await page.serve(request)
                if page.turned_away:
                    self._doors.put_out(request.cookies.get(self._cookie, ""))
        finally:
            session.pages -= 1
            session.seen_at = self._clock()
            self._pages.discard(page)
        return page.socket

    async def _still_opens(self, session: Session, request: web.Request, page: Page) -> bool:
        """Whether the feed takes the session's token now: it may have been taken back."""
        if self._clock() - session.proved_at < PROVED_S:
            return True
        try:
            await self._door.admit(session.token)
        except NotAdmitted:
            self._doors.put_out(request.cookies.get(self._cookie, ""))
            await page.close(Page.NOT_LET_IN, _TURNED_AWAY)
            return False
        except SourceError as error:
            await page.close(WSCloseCode.TRY_AGAIN_LATER, str(error))
            return False
        session.proved_at = self._clock()
        return True

    async def _part(self, request: web.Request) -> web.Response:
        part = self._parts.get(request.path)
        if part is None:
            raise web.HTTPNotFound(text="nothing is here")
        headers = {"ETag": part.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == part.tag:
            return web.Response(status=304, headers=headers)
        data = part.data
        if part.packed and "gzip" in request.headers.get("Accept-Encoding", ""):
            data, headers["Content-Encoding"] = part.packed, "gzip"
        return web.Response(body=data, content_type=part.kind, headers=headers)


def listener_limits() -> ListenerLimits:
    """Returns what strangers may cost the pages' server."""
    opening = (Standing.SILENT, Standing.QUEUED, Standing.HANDSHAKING)
    return ListenerLimits(
        CONNECTIONS, deadlines={**dict.fromkeys(opening, 5.0), Standing.ANONYMOUS: REQUEST_S}
    )


async def _token(request: web.Request) -> str:
    """The token of a request's body; empty: there is none."""
    if request.content_type != "application/json":
        return ""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        return ""
    token = body.get("token") if isinstance(body, dict) else None
    is_one = isinstance(token, str) and len(token) <= MAX_TOKEN and token.isascii()
    return token.strip() if is_one and isinstance(token, str) and token.isprintable() else ""


def _too_many(most: str) -> tuple[int, str]:
    return Page.TOO_MANY, f"No more pages can be open: {most} are. Close one and come back."


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


def _json(status: int, **said: str | bool) -> web.Response:
    return web.json_response(said, status=status)


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")
