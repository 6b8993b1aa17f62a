"""A number from a Prometheus server: an instant query that gives one series."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from probes.address import url_problems
from probes.deadline import time_left_s, timeout_s
from probes.number import Bounds, Pick, picked
from probes.probe import Host, ProbeError, Reading, Status
from probes.text import one_line
from probes.tls import Tls

MAX_ANSWER_BYTES = 10_000_000
_EXECUTOR = ThreadPoolExecutor(max_workers=4, thread_name_prefix="prometheus")
"""Its own: a Prometheus that hangs must not use up the threads of others."""

_ANYWHERE = Bounds()
_SYSTEM_TLS = Tls()


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """`kind = "prometheus"`."""

    url: str
    """Of the server, with its path prefix if it has one: `http://localhost:9090`."""
    query: str = ""
    """PromQL that gives one number; empty with `rules`: how many alert rules are loaded."""
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: Tls = _SYSTEM_TLS
    pick: Pick = ""
    """What to make of several series; empty: several are an error."""
    scale: float = 1.0
    """The value is multiplied by it: 1000 makes ms of s."""
    unit: str = ""
    expect: Bounds = _ANYWHERE
    rules: bool = False
    """It counts what alert rules say: where none is loaded it is no verdict."""

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from url_problems(self.url)
        if not self.query.strip() and not self.rules:
            yield "query", "is empty: give a query, or rules = true"
        if self.tls.server_name:
            yield "tls.server_name", "not used here: the name is the address's own"
        yield from self.tls.problems()


def number_in(result: Any, pick: Pick) -> float | None:
    """The one number of an instant query's result; None: there is no data.

    NaN and infinities are no data. Raises `ProbeError` for several series without `pick`,
    for a range and for what isn't a number. Format: prometheus.io/docs, HTTP API,
    "Expression query result formats".
    """
    if not isinstance(result, list):
        raise ProbeError("the answer holds no result: is this Prometheus?")
    if len(result) == 2 and isinstance(result[1], str):
        found = [_finite(result[1])]  # a scalar: [time, "value"]
    else:
        found = [_finite(_sample(series)) for series in result]
    numbers = [number for number in found if number is not None]
    if not numbers:
        return None
    if len(found) > 1 and not pick:
        raise ProbeError(f'{len(found)} series, expected one: sum in the query, or pick = "max"')
    return picked(pick, numbers)


def _sample(series: Any) -> str:
    if isinstance(series, dict) and "values" in series:
        raise ProbeError("the query gives a range, expected an instant vector or a scalar")
    try:
        return str(series["value"][1])
    except (KeyError, TypeError, IndexError) as error:
        raise ProbeError(f"a series without a value: {one_line(str(series))}") from error


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError as error:
        raise ProbeError(f"not a number: {one_line(text)}") from error
    return number if math.isfinite(number) else None


class _Bounded:
    """A urllib3 response that gives no more than a number of bytes, within a time."""

    def __init__(self, raw: Any, within_s: float) -> None:
        self._raw = raw
        self._within_s = within_s

    def stream(self, size: int, decode_content: bool | None = None) -> Iterator[bytes]:
        deadline = time.monotonic() + self._within_s
        got = 0
        for chunk in self._raw.stream(size, decode_content=decode_content):
            got += len(chunk)
            if got > MAX_ANSWER_BYTES:
                raise ProbeError(f"the answer is longer than {MAX_ANSWER_BYTES / 1e6:g} MB")
            if time.monotonic() > deadline:
                raise ProbeError(f"the answer took longer than {self._within_s:.1f} s")
            yield chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class _Adapter(HTTPAdapter):
    """Never retries, bounds the answer, and checks the certificate of `server_name`."""

    def __init__(self, server_name: str) -> None:
        self._server_name = server_name
        super().__init__(max_retries=Retry(total=0))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._server_name:
            kwargs |= {"server_hostname": self._server_name, "assert_hostname": self._server_name}
        super().init_poolmanager(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        response.raw = _Bounded(response.raw, kwargs["timeout"])
        return response


class PrometheusProbe:
    """Asks a Prometheus server in a thread: the client library blocks."""

    Settings = PrometheusSettings

    def __init__(self, name: str, settings: PrometheusSettings, host: Host | None) -> None:
        self.name = name
        self._settings = settings
        self._host = host
        self._client: PrometheusConnect | None = None
        self._client_url = ""
        self._session: requests.Session | None = None
        self._headers: dict[str, str] = {}

    async def read(self) -> Reading:
        started, at = time.monotonic(), time.time()
        url = await self._reached()
        loop = asyncio.get_running_loop()
        try:
            number = await loop.run_in_executor(_EXECUTOR, self._ask, url, time_left_s())
        except ProbeError:
            raise
        except (PrometheusApiClientException, requests.RequestException) as error:
            raise ProbeError(in_words(error, self._settings.url)) from error
        except (ValueError, KeyError, TypeError) as error:
            words = f"not Prometheus's API answers at {self._settings.url}"
            raise ProbeError(words) from error
        took_ms = (time.monotonic() - started) * 1000
        query = self._settings.query or "alert rules that are loaded"
        unit, detail = self._settings.unit, {"query": query}
        if number is None:
            return Reading(self.name, Status.ERROR, "no data", at, took_ms, None, unit, detail)
        value = number * self._settings.scale
        status, words = self._settings.expect.judge(value)
        summary = words + (" (certificate not checked)" if self._settings.tls.insecure else "")
        return Reading(self.name, status, summary, at, took_ms, value, unit, detail)

    async def _reached(self) -> str:
        """The server's address from here; a path prefix stays."""
        parts = urlsplit(self._settings.url)
        if self._host is None or parts.hostname is None:
            return self._settings.url.rstrip("/")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        name, number = await self._host.reach(parts.hostname, port)
        if (name, number) == (parts.hostname, port):
            return self._settings.url.rstrip("/")
        return urlunsplit((parts.scheme, f"{name}:{number}", parts.path.rstrip("/"), "", ""))

    def _ask(self, url: str, within_s: float) -> float | None:
        client = self._client
        if client is None or self._client_url != url:
            if client is not None:
                client.close()
            client = self._client = self._connect(url)
            self._client_url = url
        deadline = time.monotonic() + within_s
        if self._settings.rules:
            count = self._count_rules(url, within_s)
            if not self._settings.query:
                return float(count)
        result = client.custom_query(
            self._settings.query, timeout=max(deadline - time.monotonic(), 0.01)
        )
        return number_in(result, self._settings.pick)

    def _count_rules(self, url: str, within_s: float) -> int:
        """How many alert rules the server has loaded. Raises `ProbeError` for none."""
        assert self._session is not None
        answer = self._session.get(
            f"{url}/api/v1/rules", params={"type": "alert"}, headers=self._headers, timeout=within_s
        )
        if answer.status_code != 200:
            raise ProbeError(f"status {answer.status_code} for its rules from {self._settings.url}")
        groups = answer.json()["data"]["groups"]
        count = sum(len(one["rules"]) for one in groups)
        if not count:
            raise ProbeError("no alert rule is loaded: nothing could fire")
        return count

    def _connect(self, url: str) -> PrometheusConnect:
        settings = self._settings
        parts = urlsplit(settings.url)
        headers = {"User-Agent": "optibid-console", **settings.headers}
        through_forward = url != settings.url.rstrip("/")
        if through_forward and "host" not in {name.lower() for name in headers}:
            headers["Host"] = parts.netloc.rpartition("@")[2]
        session = requests.Session()
        session.trust_env = False  # a proxy or netrc of the console's user is not the target's
        if settings.tls.insecure:  # it is in every summary; a warning on stderr helps nobody
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        session.verify = False if settings.tls.insecure else settings.tls.ca or True
        if settings.tls.cert:
            key = settings.tls.key
            session.cert = (settings.tls.cert, key) if key else settings.tls.cert
        self._session, self._headers = session, headers
        client = PrometheusConnect(url, headers, retry=Retry(total=0), session=session)
        server_name = parts.hostname if through_forward and parts.scheme == "https" else ""
        session.mount(url, _Adapter(server_name or ""))
        return client

    async def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


_STATUS = re.compile(r"HTTP Status Code (\d+) \((.*)\)\Z", re.DOTALL)


def in_words(error: Exception, url: str) -> str:
    """Why the query gave nothing, in one line."""
    text = str(error)
    if isinstance(error, PrometheusApiClientException) and (match := _STATUS.match(text)):
        return f"status {match[1]} from {url}: {_said(match[2])}"
    if isinstance(error, requests.exceptions.SSLError):
        return f"no TLS with {url}: {one_line(text)}"
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return f"not Prometheus's API answers at {url}"
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in text:
        return f"no answer within {timeout_s():g} s from {url}"
    if "Connection refused" in text:
        return f"nothing listens at {url}"
    if "Failed to resolve" in text or "Name or service not known" in text:
        return f'no such host "{urlsplit(url).hostname}"'
    return f"{one_line(text)}: {url}"


def _said(shown_bytes: str) -> str:
    """The error inside an answer that the client library shows as a bytes literal."""
    body = shown_bytes[2:-1].encode().decode("unicode_escape", "replace")
    try:
        answer = json.loads(body)
        return one_line(str(answer["error"]))
    except (ValueError, KeyError, TypeError):
        return one_line(body)
