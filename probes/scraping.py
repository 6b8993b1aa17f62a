"""Fetching `/metrics` pages: panels that read the same page share one scrape of it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from probes.counters import Scrape
from probes.deadline import time_left_s, timeout_s
from probes.error_words import error_words
from probes.exposition import ExpositionError, PageParser
from probes.probe import Host, ProbeError
from probes.reaching import seen_from
from probes.text import one_line
from probes.tls import Tls

MAX_PAGE_BYTES = 10_000_000
FRESH_FOR_S = 0.5
"""A scrape this young is given again instead of making another one."""
KEPT_PER_WINDOW = 30


@dataclass(frozen=True)
class PageAddress:
    """What makes two panels read the same page."""

    url: str
    headers: tuple[tuple[str, str], ...]
    tls: Tls
    host: Host | None


class Page:
    """One page, its recent scrapes, and everybody who reads it.

    Take it with `Page.shared`, and `leave` when done: the last one out closes it.
    """

    _pages: dict[PageAddress, Page] = {}  # noqa: RUF012  # shared on purpose

    def __init__(self, address: PageAddress) -> None:
        self._address = address
        self._readers = 0
        self._names: frozenset[str] = frozenset()
        self._window_s = 0.0
        self._history: list[Scrape] = []
        self._scraping: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None

    @classmethod
    def shared(cls, address: PageAddress, names: frozenset[str], window_s: float) -> Page:
        """The page at this address, which from now on keeps these names for this long."""
        page = cls._pages.setdefault(address, cls(address))
        page._readers += 1
        page._names |= names
        page._window_s = max(page._window_s, window_s)
        return page

    async def leave(self) -> None:
        self._readers -= 1
        if self._readers > 0:
            return
        self._pages.pop(self._address, None)
        if self._scraping is not None and not self._scraping.done():
            self._scraping.cancel()
            await asyncio.wait({self._scraping})
        if self._client is not None:
            await self._client.aclose()

    async def history(self, names: frozenset[str]) -> Sequence[Scrape]:
        """The scrapes that have these names, oldest first; the last one is fresh.

        Raises `ProbeError`, `HostError`.
        """
        if not self._is_fresh(names):
            await self._scrape_together()
            if not names <= self._history[-1].samples.keys():  # it was under way before they came
                await self._scrape_together()
        return [scrape for scrape in self._history if names <= scrape.samples.keys()]

    async def _scrape_together(self) -> None:
        if self._scraping is None or self._scraping.done():
            self._scraping = asyncio.create_task(self._scrape())
        await asyncio.shield(self._scraping)  # one reader that gives up doesn't end it for others

    def _is_fresh(self, names: frozenset[str]) -> bool:
        if not self._history:
            return False
        last = self._history[-1]
        return time.monotonic() - last.clock_s < FRESH_FOR_S and names <= last.samples.keys()

    async def _scrape(self) -> None:
        at, clock_s = time.time(), time.monotonic()
        parser = PageParser(self._names)
        url = self._address.url
        try:
            async with asyncio.timeout(time_left_s()):
                await self._fetch(parser)
            samples = parser.close()
        except TimeoutError as error:
            raise ProbeError(f"no answer within {timeout_s():g} s from {url}") from error
        except ExpositionError as error:
            raise ProbeError(f"not a metrics page: {error} ({url})") from error
        except httpx.HTTPError as error:
            raise ProbeError(in_words(await self._seen(error), url)) from error
        self._keep(Scrape(at, clock_s, samples, parser.kept_bytes))

    async def _fetch(self, parser: PageParser) -> None:
        request, client = await self._request()
        response = await client.send(request, stream=True)
        try:
            if response.status_code != 200:
                raise ProbeError(f"status {response.status_code} from {self._address.url}")
            got = 0
            async for piece in response.aiter_bytes(65536):
                got += len(piece)
                if got > MAX_PAGE_BYTES:
                    size = f"{MAX_PAGE_BYTES / 1e6:g} MB"
                    raise ProbeError(f"longer than {size}: {self._address.url}")
                parser.feed(piece)
                await asyncio.sleep(0)  # a big page must not hold the loop
        finally:
            await response.aclose()

    async def _seen(self, error: httpx.HTTPError) -> Exception:
        """Returns what `error` was as the target sees it, from which the page is fetched."""
        url = httpx.URL(self._address.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        return await seen_from(self._address.host, url.host, port, error)

    async def _request(self) -> tuple[httpx.Request, httpx.AsyncClient]:
        address = self._address
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=_context(address), trust_env=False, timeout=None
            )
        url = httpx.URL(address.url)
        headers = {
            "Accept": "text/plain;version=0.0.4",
            "Host": url.netloc.decode(),
            "User-Agent": "optibid-console",
            **dict(address.headers),
        }
        server_name = address.tls.server_name or url.host
        if address.host is not None:
            port = url.port or (443 if url.scheme == "https" else 80)
            name, number = await address.host.reach(url.host, port)
            url = url.copy_with(host=name, port=number)
        request = self._client.build_request(
            "GET", url, headers=headers, extensions={"sni_hostname": server_name}
        )
        return request, self._client

    def _keep(self, scrape: Scrape) -> None:
        """Keep what the longest window needs, thinned to some scrapes a window."""
        history = self._history
        if len(history) > 2:
            spacing = history[-1].clock_s - history[-3].clock_s
            if spacing < self._window_s / KEPT_PER_WINDOW:
                del history[-2]
        history.append(scrape)
        oldest = scrape.clock_s - self._window_s * 1.05
        while len(history) > 2 and history[0].clock_s < oldest:
            del history[0]


def _context(address: PageAddress) -> ssl.SSLContext | bool:
    """False for plain HTTP: loading the system's trust takes 15 ms, and nothing would use it."""
    return address.tls.context() if urlsplit(address.url).scheme == "https" else False


def in_words(error: Exception, url: str) -> str:
    """Why the page wasn't fetched, in one line."""
    text = str(error)
    if isinstance(error, httpx.ConnectError):
        if "CERTIFICATE" in text or "SSL" in text:
            return f"no TLS with {url}: {one_line(text)}"
        if "Name or service" in text or "resolution" in text or "No address" in text:
            return f'no such host "{urlsplit(url).hostname}"'
        return f"nothing listens at {url}"
    if isinstance(error, ConnectionRefusedError):  # over there
        return f"nothing listens at {url}"
    return f"{error_words(error, 120)}: {url}"
