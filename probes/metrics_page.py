"""A number from a `/metrics` page, read directly: in a window a scrape delay is too slow."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from probes import counters
from probes.address import url_problems
from probes.aside import judged
from probes.counters import NoData, Scrape
from probes.expectation import steps_of
from probes.exposition import MAX_LINE_BYTES, Selector, parse_selector
from probes.number import Bounds, Pick
from probes.probe import Host, Reading, Seconds, Status
from probes.scraping import Page, PageAddress
from probes.tls import Tls

_ANYWHERE = Bounds()
_SYSTEM_TLS = Tls()


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """`kind = "metrics"`, or a panel's `source = "metrics"`: one way to read a number."""

    url: str
    gauge: str = ""
    """`websocket_connections_active`: its value now."""
    share: tuple[str, ...] = ()
    """`[part, whole]`: one gauge divided by another."""
    rate: str = ""
    """`http_requests_total{status=~"5.."}`: growth per second over the window."""
    ratio: tuple[str, ...] = ()
    """`[part, whole]`: the growth of one counter as a share of another's."""
    histogram: str = ""
    """`http_request_duration_seconds`, without `_bucket`: with `quantile`."""
    quantile: float | None = None
    window: Seconds = Seconds(10)
    """Over how long growth is measured; less while there are fewer scrapes."""
    scale: float = 1.0
    """The value is multiplied by it: 1000 makes ms of s."""
    unit: str = ""
    pick: Pick = ""
    """What to make of several series of a gauge; empty: several are an error."""
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: Tls = _SYSTEM_TLS
    expect: Bounds = _ANYWHERE

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from url_problems(self.url)
        ways = (self.gauge, self.share, self.rate, self.ratio, self.histogram)
        if sum(bool(way) for way in ways) != 1:
            yield "", "needs exactly one of gauge, share, rate, ratio and histogram"
        for key, pair in (("share", self.share), ("ratio", self.ratio)):
            if len(pair) not in (0, 2):
                yield key, f"has {len(pair)} selectors, expected [part, whole]"
        if bool(self.histogram) != (self.quantile is not None):
            yield "quantile", "histogram and quantile belong together"
        if self.quantile is not None and not 0 < self.quantile < 1:
            yield "quantile", "expected a number between 0 and 1, such as 0.95"
        if not self.window > 0:
            yield "window", "expected more than 0 s"
        for key in ("gauge", "share", "rate", "ratio", "histogram"):
            texts = getattr(self, key)
            for text in (texts,) if isinstance(texts, str) else texts:
                if text and (words := _selector_problem(text)):
                    yield key, words
        yield from self.tls.problems()

    def patterns(self) -> Iterator[tuple[str, str, int]]:
        """Its regular expressions by key, each with the longest text that it is held against."""
        for key in ("gauge", "share", "rate", "ratio", "histogram"):
            texts = getattr(self, key)
            for text in (texts,) if isinstance(texts, str) else texts:
                if text and "${" not in text:
                    for pattern in parse_selector(text).patterns:
                        yield key, pattern, MAX_LINE_BYTES

    def selector_texts(self) -> tuple[str, ...]:
        one = self.gauge or self.rate or self.histogram
        return (one,) if one else (self.share or self.ratio)


def _selector_problem(text: str) -> str:
    if "${" in text:  # filled in later
        return ""
    try:
        parse_selector(text)
    except ValueError as error:
        return str(error)
    return ""


class MetricsProbe:
    """Reads one number from a page that it shares with the other panels on it."""

    Settings = MetricsSettings

    def __init__(self, name: str, settings: MetricsSettings, host: Host | None) -> None:
        self.name = name
        self._settings = settings
        self._selectors = tuple(parse_selector(text) for text in settings.selector_texts())
        if settings.histogram:
            base = self._selectors[0]
            self._selectors = (Selector(f"{base.name}_bucket", base.matchers),)
        self._names = frozenset(selector.name for selector in self._selectors)
        headers = tuple(sorted(settings.headers.items()))
        address = PageAddress(settings.url, headers, settings.tls, host)
        self._page: Page | None = Page.shared(address, self._names, settings.window)

    async def read(self) -> Reading:
        if self._page is None:
            raise RuntimeError(f"probe {self.name} is closed")
        settings = self._settings
        started = time.monotonic()
        history = await self._page.history(self._names)
        at = history[-1].at
        took_ms = (time.monotonic() - started) * 1000
        detail = {"page": settings.url, "of": " / ".join(settings.selector_texts())}
        try:
            value = await self._number_in_time(history) * settings.scale
        except NoData as none:
            words = f"no data: {none}"
            return Reading(self.name, Status.ERROR, words, at, took_ms, None, settings.unit, detail)
        status, words = settings.expect.judge(value)
        summary = words + (" (certificate not checked)" if settings.tls.insecure else "")
        return Reading(self.name, status, summary, at, took_ms, value, settings.unit, detail)

    async def _number_in_time(self, history: Sequence[Scrape]) -> float:
        """The number, taken off the loop where the page is big or its labels are hard to match."""
        steps = sum(scrape.kept_bytes for scrape in history)
        for selector in self._selectors:
            new = sum(one.kept_bytes for one in history if not one.knows(selector))
            steps += new * steps_of(selector.patterns)
        what = f"the page's {history[-1].kept_bytes:,} bytes of series"
        return await judged(lambda: self._number(history), steps, what)

    def _number(self, history: Sequence[Scrape]) -> float:
        settings, (first, *rest) = self._settings, self._selectors
        if settings.gauge:
            return counters.gauge(history[-1], first, settings.pick)
        if settings.share:
            part = counters.gauge(history[-1], first, settings.pick)
            whole = counters.gauge(history[-1], rest[0], settings.pick)
            if whole == 0:
                raise NoData(f"{rest[0].name} is 0")
            return part / whole
        scrapes = counters.within(history, settings.window)
        if settings.rate:
            return counters.rate(scrapes, first)
        if settings.ratio:
            return counters.ratio(scrapes, first, rest[0])
        return counters.quantile(scrapes, first, settings.quantile or 0.0)

    async def close(self) -> None:
        page, self._page = self._page, None
        if page is not None:
            await page.leave()
