"""One number from Prometheus; what isn't one is said, and is never a zero."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from probes.counters import Scrape, quantile
from probes.deadline import deadline
from probes.exposition import PageParser, parse_selector
from probes.number import Bounds
from probes.probe import ProbeError, Status
from probes.prometheus import PrometheusProbe, PrometheusSettings, number_in
from tests.probes.hosts import ForwardingHost
from tests.probes.metrics.pages import Answer, PageServer
from tests.servers.prometheus import PrometheusServer

Serve = Callable[[Callable[[str], Answer]], PageServer]


def series(*values: str) -> list[dict[str, Any]]:
    return [{"metric": {"n": value}, "value": [1, value]} for value in values]


def answering(result: Any) -> Callable[[str], Answer]:
    body = {"status": "success", "data": {"resultType": "vector", "result": result}}
    return lambda _: (200, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("result", "pick", "number"),
    [
        (series("0.25"), "", 0.25),
        (series(), "", None),
        (series("NaN"), "", None),
        (series("+Inf"), "max", None),
        (series("1", "3"), "max", 3.0),
        (series("1", "3", "NaN"), "min", 1.0),
        (series("1", "3"), "sum", 4.0),
        ([1435781451.781, "7"], "", 7.0),
    ],
)
def test_the_number_of_a_result(result: Any, pick: Any, number: float | None) -> None:
    assert number_in(result, pick) == number


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (series("1", "NaN"), "2 series, expected one"),
        ([{"metric": {}, "values": [[1, "2"]]}], "the query gives a range"),
        ([{"metric": {}}], "a series without a value"),
        (series("one"), "not a number: one"),
        ({"a": 1}, "is this Prometheus"),
    ],
)
def test_what_is_not_one_number(result: Any, words: str) -> None:
    with pytest.raises(ProbeError, match=words):
        number_in(result, "")


async def test_a_value_with_scale_bounds_and_headers(serve: Serve) -> None:
    server = serve(answering(series("0.25")))
    settings = PrometheusSettings(
        f"{server.url}/",
        "q",
        {"Authorization": "Bearer x"},
        scale=1000,
        unit="ms",
        expect=Bounds(at_most=200),
    )
    probe = PrometheusProbe("p95", settings, None)
    reading = await probe.read()
    assert (reading.status, reading.value, reading.unit) == (Status.FAILING, 250, "ms")
    assert reading.summary == "250, expected at most 200"
    assert server.seen[0]["Authorization"] == "Bearer x"
    await probe.close()


async def test_no_data_is_not_zero(serve: Serve) -> None:
    probe = PrometheusProbe("p", PrometheusSettings(serve(answering([])).url, "q"), None)
    reading = await probe.read()
    assert (reading.status, reading.value, reading.summary) == (Status.ERROR, None, "no data")
    await probe.close()


async def test_through_a_host_prometheus_sees_its_own_name(serve: Serve) -> None:
    server = serve(answering(series("1")))
    host = ForwardingHost(server.port)
    probe = PrometheusProbe("p", PrometheusSettings("http://mon.internal:9090/prom", "q"), host)
    assert (await probe.read()).value == 1
    assert host.reached == [("mon.internal", 9090)]
    assert server.seen[0]["Host"] == "mon.internal:9090"
    await probe.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((400, b'{"status":"error","error":"parse error: \xe2\x80\xa6"}'), "400 from .*: parse e"),
        ((502, b"<h1>Bad Gateway</h1>"), "status 502 from .*: <h1>Bad Gateway</h1>"),
        ((200, b"<html>"), "not Prometheus's API answers at http"),
        ((200, b'{"status":"success"}'), "not Prometheus's API answers at http"),
        ((200, b"[" * 11_000_000), "longer than 10 MB"),
    ],
)  # fmt: skip
async def test_a_bad_answer_is_an_error(serve: Serve, answer: Answer, words: str) -> None:
    probe = PrometheusProbe("p", PrometheusSettings(serve(lambda _: answer).url, "q"), None)
    with pytest.raises(ProbeError, match=words):
        await probe.read()
    await probe.close()


async def test_nobody_there_and_nobody_answering() -> None:
    with socket.socket() as quiet:
        quiet.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{quiet.getsockname()[1]}"
        probe = PrometheusProbe("p", PrometheusSettings(url, "q"), None)
        with pytest.raises(ProbeError, match=f"nothing listens at {url}"):
            await probe.read()
        await probe.close()
        quiet.listen()
        probe = PrometheusProbe("p", PrometheusSettings(url, "q"), None)
        with deadline(0.2), pytest.raises(ProbeError, match=r"no answer within 0\.2 s from http"):
            await probe.read()
        await probe.close()


def test_settings_say_what_is_wrong() -> None:
    assert list(PrometheusSettings("localhost:9090", " ").problems()) == [
        ("url", "not an http:// or https:// address: 'localhost:9090'"),
        ("query", "is empty: give a query, or rules = true"),
    ]


# A real Prometheus


class GrowingPage:
    """A histogram that grows by the same shape at each scrape."""

    SHAPE = (("0.05", 300), ("0.1", 700), ("0.2", 930), ("0.5", 990), ("+Inf", 1000))

    def __init__(self) -> None:
        self.scrapes = 0
        self.pages: list[bytes] = []

    def __call__(self, _: str) -> Answer:
        self.scrapes += 1
        lines = (f'h_bucket{{le="{le}"}} {count * self.scrapes}\n' for le, count in self.SHAPE)
        self.pages.append("".join(lines).encode())
        return 200, self.pages[-1]


@pytest.fixture
def growing(serve: Serve, tmp_path: Path) -> Iterator[tuple[PrometheusServer, GrowingPage]]:
    page = GrowingPage()
    server = PrometheusServer(tmp_path, serve(page).port)
    yield server, page
    server.close()


async def until_data(probe: PrometheusProbe) -> float:
    async with asyncio.timeout(60):
        while (reading := await probe.read()).value is None:
            await asyncio.sleep(0.1)  # Prometheus has no way to say that it has scraped
    return reading.value


@pytest.mark.server("prometheus")
async def test_our_quantile_is_prometheus_own(
    growing: tuple[PrometheusServer, GrowingPage],
) -> None:
    server, page = growing
    for q in (0.5, 0.95, 0.999):
        query = f"histogram_quantile({q}, sum(rate(h_bucket[5s])) by (le))"
        probe = PrometheusProbe("p", PrometheusSettings(server.url, query), None)
        theirs = await until_data(probe)
        await probe.close()
        scrapes = []
        for number, body in enumerate((page.pages[0], page.pages[-1])):
            parser = PageParser(["h_bucket"])
            parser.feed(body)
            scrapes.append(Scrape(number, number, parser.close()))
        assert quantile(scrapes, parse_selector("h_bucket"), q) == pytest.approx(theirs, rel=0.01)


@pytest.mark.server("prometheus")
async def test_a_real_prometheus_says_what_is_wrong_and_what_is_not_there(
    growing: tuple[PrometheusServer, GrowingPage],
) -> None:
    server, _ = growing
    bad = PrometheusProbe("p", PrometheusSettings(server.url, "rate("), None)
    with pytest.raises(ProbeError, match=r"status 400 from .*parse error"):
        await bad.read()
    await bad.close()
    gone = PrometheusProbe("p", PrometheusSettings(server.url, "no_such_metric"), None)
    assert (await gone.read()).summary == "no data"
    await gone.close()
    scalar = PrometheusProbe("p", PrometheusSettings(server.url, "scalar(vector(7))"), None)
    assert (await scalar.read()).value == 7
    await scalar.close()


FIRING = """
groups:
  - name: optibid
    rules:
      - alert: Always
        expr: vector(1)
        labels: { severity: critical }
      - record: one
        expr: vector(1)
"""
ALERTS = 'count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)'


@pytest.mark.server("prometheus")
async def test_without_an_alert_rule_no_alert_is_no_verdict(serve: Serve, tmp_path: Path) -> None:
    page = serve(GrowingPage())
    for folder, rules in ((tmp_path / "without", ""), (tmp_path / "with", FIRING)):
        folder.mkdir()
        server = PrometheusServer(folder, page.port, rules)
        settings = PrometheusSettings(server.url, ALERTS, rules=True, expect=Bounds(at_most=0))
        alerts = PrometheusProbe("p", settings, None)
        loaded = PrometheusProbe("p", PrometheusSettings(server.url, rules=True), None)
        try:
            if not rules:
                for one in (alerts, loaded):
                    with pytest.raises(ProbeError, match="no alert rule is loaded"):
                        await one.read()
                continue
            reading = await loaded.read()
            assert (reading.status, reading.value) == (Status.OK, 1)  # the other one records
            async with asyncio.timeout(60):
                while (await alerts.read()).status is not Status.FAILING:
                    await asyncio.sleep(0.2)  # Prometheus evaluates in its own time
        finally:
            await alerts.close()
            await loaded.close()
            server.close()
