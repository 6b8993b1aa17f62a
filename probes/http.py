"""An HTTP endpoint: asked once a reading, its whole answer held against expectations.

What counts as `failing` and what as `error` is told in `probes.reaching`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from probes import expectation, reaching
from probes.aside import judged
from probes.deadline import time_left_s, timeout_s
from probes.error_words import error_words
from probes.http_answer import HEADER_CHARACTERS, Answer, HttpExpect, HttpWarn, judge_answer
from probes.probe import Host, Reading, Status
from probes.text import one_line
from probes.tls import Tls, expires_at, judge_expiry

MAX_REDIRECTS = 5
GATEWAY_ERRORS = (502, 504)
"""A proxy says that the server behind it didn't answer (RFC 9110, 15.6.3 and 15.6.5)."""
_NO_ANSWER = "Server disconnected without sending a response"
"""httpcore's words: it has no exception of its own for it."""
USER_AGENT = "optibid-console"
"""By which a log tells the console's own requests."""
_CREDENTIALS = frozenset({"authorization", "cookie", "host", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The settings of `kind = "http"`."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent as they are; `Host` here replaces the URL's."""
    body: str | Mapping[str, Any] = ""
    """A text, or a table that is sent as JSON."""
    expect: HttpExpect = field(default_factory=HttpExpect)
    warn: HttpWarn = field(default_factory=HttpWarn)
    health: bool = False
    """Judge the body as OptiBid's `/health` (`probes.health`)."""
    tls: Tls = field(default_factory=Tls)
    follow_redirects: bool = False
    max_bytes: int = 1_000_000
    """A longer body is cut off there, and fails."""
    env_proxy: bool = False
    """Go through the proxy that the environment names (`HTTPS_PROXY`)."""

    def problems(self) -> Iterator[tuple[str, str]]:
        if "${" not in self.url:  # a secret is filled in later
            url = parse_url(self.url)
            if url is None or url.scheme not in ("http", "https") or not url.host:
                yield "url", f"not an http:// or https:// address: {one_line(self.url)!r}"
        yield from self.expect.problems(self.max_bytes)
        yield from self.warn.problems(self.max_bytes)
        if self.max_bytes < 1:
            yield "max_bytes", f"must be at least 1, not {self.max_bytes}"
        yield from self.tls.problems()

    def patterns(self) -> Iterator[tuple[str, str, int]]:
        """Its regular expressions by key, each with the longest text that it is held against."""
        yield from self.expect.patterns(self.max_bytes)
        yield from self.warn.patterns(self.max_bytes)


@dataclass(slots=True)
class _Progress:
    """How far a request got, for what is said when time runs out."""

    status: int = 0
    received: int = 0

    def words(self) -> str:
        if not self.status:
            return ""
        return f"status {self.status} came, then {self.received} bytes of an unfinished body"


class HttpProbe:
    """Asks an HTTP endpoint, from here or as `host` sees it.

    The reading's value is the latency in ms. Each reading opens a connection of its own:
    a kept one would go on talking to the process that is being replaced.
    """

    Settings = HttpSettings

    def __init__(self, name: str, settings: HttpSettings, host: Host | None) -> None:
        self.name = name
        self._settings = settings
        self._host = host
        self._client: httpx.AsyncClient | None = None

    async def read(self) -> Reading:
        at, started = time.time(), time.monotonic()
        progress = _Progress()
        url = httpx.URL(self._settings.url)
        try:
            async with asyncio.timeout(time_left_s()):
                answer = await self._follow(url, progress)
        except (httpx.HTTPError, OSError) as error:  # TimeoutError too
            seen = await reaching.seen_from(self._host, _name(url), _port(url), error)
            if isinstance(seen, TimeoutError):
                fault = reaching.silent(url.host, _port(url), progress.words())
            else:
                fault = _fault(seen, url)
            # a body that was cut short is a wrong answer
            fault = replace(fault, away=fault.away and not progress.status)
        else:
            # a header's bytes count as the body's: a pattern for each is cheap enough
            size = len(answer.body) + sum(map(len, answer.headers.values()))
            steps = expectation.steps_of(pattern for _, pattern, _ in self._settings.patterns())
            what = f"the answer of {len(answer.body):,} bytes"
            return await judged(lambda: self._judged(answer, at), steps * size, what)
        took_ms = (time.monotonic() - started) * 1000
        detail = {"url": _without_credentials(url), "limit": f"{timeout_s():g} s"}
        return Reading(
            self.name, fault.status, fault.summary, at, took_ms, None, "ms", detail, fault.away
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _judged(self, answer: Answer, at: float) -> Reading:
        settings = self._settings
        findings = judge_answer(answer, settings.expect, settings.warn, health=settings.health)
        findings += judge_expiry(answer.expires_at, settings.tls, at)
        summary = expectation.summarise(
            findings, f"{answer.status}{' healthy' if settings.health else ''}"
        )
        text = summary.text
        if settings.tls.insecure:
            text += " (certificate not checked)"
        detail = {"url": _without_credentials(httpx.URL(settings.url)), **summary.detail}
        if summary.status is not Status.OK:
            detail["body"] = one_line(answer.body[:2000], 300)
        away = summary.status is Status.FAILING and answer.status in GATEWAY_ERRORS
        return Reading(
            self.name, summary.status, text, at, answer.took_ms, answer.took_ms, "ms", detail, away
        )

    async def _follow(self, url: httpx.URL, progress: _Progress) -> Answer:
        settings = self._settings
        headers = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **settings.headers}
        for _ in range(MAX_REDIRECTS if settings.follow_redirects else 0):
            answer = await self._ask(url, headers, progress)
            if answer.status not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
                return answer
            onward = _redirected(url, answer.headers["location"])
            if _origin(onward) != _origin(url):
                headers = {k: v for k, v in headers.items() if k.lower() not in _CREDENTIALS}
            url = onward
        return await self._ask(url, headers, progress)

    async def _ask(self, url: httpx.URL, headers: Mapping[str, str], progress: _Progress) -> Answer:
        """One request, at the first of the host's addresses that lets us in."""
        if self._settings.env_proxy:  # the proxy looks the name up, and wants the name
            return await self._ask_at(_name(url), _port(url), url, headers, progress)
        tried = await reaching.addresses(self._host, _name(url), _port(url))
        for address, port in tried[:-1]:
            try:
                async with asyncio.timeout(time_left_s() / len(tried)):
                    return await self._ask_at(address, port, url, headers, progress)
            except (httpx.ConnectError, TimeoutError):
                continue
        return await self._ask_at(*tried[-1], url, headers, progress)

    async def _ask_at(
        self,
        address: str,
        port: int,
        url: httpx.URL,
        headers: Mapping[str, str],
        progress: _Progress,
    ) -> Answer:
        settings = self._settings
        given = settings.body if isinstance(settings.body, str) else json.dumps(settings.body)
        kind = {} if isinstance(settings.body, str) else {"Content-Type": "application/json"}
        started = time.monotonic()
        # The address instead of the name: resolved by us, or reached through a host. The
        # Host header, the name asked for in TLS and the one verified stay the URL's own.
        async with self._connected().stream(
            settings.method,
            url.copy_with(host=address, port=port),
            headers={"Host": _netloc(url), **kind, **_titled(headers)},
            content=given.encode() or None,
            extensions={"sni_hostname": settings.tls.server_name or _name(url)},
        ) as response:
            progress.status = response.status_code
            content = bytearray()
            # Raw: an unasked-for compressed body may unfold to any size.
            async for chunk in response.aiter_raw():
                content += chunk
                progress.received = len(content)
                if len(content) > settings.max_bytes:
                    break
            took_ms = (time.monotonic() - started) * 1000
            cut = len(content) > settings.max_bytes
            known = {
                name.lower(): one_line(value, HEADER_CHARACTERS)
                for name, value in response.headers.items()
            }
            stream = response.extensions.get("network_stream")
            until = expires_at(stream.get_extra_info("ssl_object")) if stream else None
            body = bytes(content[: settings.max_bytes])
            return Answer(response.status_code, known, body, cut, took_ms, until)

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=self._settings.tls.context(),
                timeout=None,
                trust_env=self._settings.env_proxy,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._client


def _fault(error: BaseException, url: httpx.URL) -> reaching.Fault:
    fault = reaching.fault_of(error, url.host, _port(url))
    if fault is not None:
        return fault
    ours = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.ProxyError)
    if isinstance(error, httpx.TransportError) and not isinstance(error, ours):
        said = error_words(error, 120)
        away = said.startswith(_NO_ANSWER)
        return reaching.Fault(Status.FAILING, f"not an HTTP answer: {said}", away)
    return reaching.Fault(Status.ERROR, error_words(error))


def parse_url(text: str) -> httpx.URL | None:
    """A URL, or None for what isn't one."""
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return None


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    try:
        onward = url.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise httpx.RemoteProtocolError(f"redirect to {location}: {error}") from error
    if onward.scheme not in ("http", "https") or not onward.host:
        raise httpx.RemoteProtocolError(f"redirect to {location}, which isn't http")
    return onward


def _name(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, _port(url)


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _netloc(url: httpx.URL) -> str:
    return url.netloc.decode("ascii")


def _titled(headers: Mapping[str, str]) -> dict[str, str]:
    """`host` and `user-agent` in whatever case as we send them, so that they replace ours."""
    usual = {"host": "Host", "user-agent": "User-Agent"}
    return {usual.get(name.lower(), name): value for name, value in headers.items()}


def _without_credentials(url: httpx.URL) -> str:
    return str(url.copy_with(userinfo=b"")) if url.userinfo else str(url)
