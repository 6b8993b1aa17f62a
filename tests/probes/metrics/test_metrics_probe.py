"""Panels that read one page share its scrape, and no data is never a number."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from probes import scraping
from probes.deadline import deadline
from probes.metrics_page import MetricsProbe, MetricsSettings
from probes.number import Bounds
from probes.probe import ProbeError, Seconds, Status, take
from tests.probes.hosts import ForwardingHost
from tests.probes.metrics.pages import Answer, PageServer

Serve = Callable[[Callable[[str], Answer]], PageServer]


def counting(step: int = 100) -> Callable[[str], Answer]:
    """A page whose counters grow by `step` at each scrape, 1 in 20 of them failing."""
    scrapes = 0

    def answer(_: str) -> Answer:
        nonlocal scrapes
        scrapes += 1
        n = scrapes * step
        lines = [
            "# TYPE req counter",
            f'req{{status="200"}} {n * 0.95}',
            f'req{{status="500"}} {n * 0.05}',
            f'h_bucket{{le="0.1"}} {n * 0.9}',
            f'h_bucket{{le="0.2"}} {n}',
            f'h_bucket{{le="+Inf"}} {n}',
            "ws 1204",
            "nan NaN",
            "pool_free 5",
            "pool 20",
        ]
        return 200, ("\n".join(lines) + "\n").encode()

    return answer


@pytest.fixture
def always_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraping, "FRESH_FOR_S", 0.0)


async def test_a_gauge_with_scale_and_bounds(serve: Serve) -> None:
    server = serve(counting())
    settings = MetricsSettings(server.url, gauge="ws", scale=0.5, unit="count")
    probe = MetricsProbe("ws", settings, None)
    reading = await probe.read()
    assert (reading.status, reading.value, reading.unit) == (Status.OK, 602, "count")
    await probe.close()
    probe = MetricsProbe("ws", replace(settings, expect=Bounds(at_most=600)), None)
    reading = await probe.read()
    assert reading.status is Status.FAILING
    assert reading.summary == "602, expected at most 600"
    await probe.close()


async def test_ratio_share_and_quantile(serve: Serve, always_scrape: None) -> None:
    url = serve(counting()).url
    cases = {
        0.05: MetricsSettings(url, ratio=('req{status=~"5.."}', "req")),
        0.25: MetricsSettings(url, share=("pool_free", "pool")),
        150.0: MetricsSettings(url, histogram="h", quantile=0.95, scale=1000),
    }
    for expected, settings in cases.items():
        probe = MetricsProbe("p", settings, None)
        await probe.read()
        reading = await probe.read()
        assert reading.value == pytest.approx(expected), reading
        await probe.close()


async def test_the_first_scrape_of_a_rate_is_no_data(serve: Serve) -> None:
    probe = MetricsProbe("r", MetricsSettings(serve(counting()).url, rate="req"), None)
    reading = await probe.read()
    assert (reading.status, reading.value) == (Status.ERROR, None)
    assert reading.summary == "no data: waiting for a second scrape"
    await probe.close()


@pytest.mark.parametrize(
    ("gauge", "words"),
    [
        ("gone", "no data: no metric gone on the page"),
        ("nan", "no data: no value of nan"),
        ("req", 'no data: 2 series of req, expected one: pick = "sum"?'),
        ('req{code="200"}', "no data: req has no label code"),
    ],
)
async def test_no_data_says_why(serve: Serve, gauge: str, words: str) -> None:
    probe = MetricsProbe("g", MetricsSettings(serve(counting()).url, gauge=gauge), None)
    reading = await probe.read()
    assert (reading.status, reading.value, reading.summary) == (Status.ERROR, None, words)
    await probe.close()


async def test_panels_on_one_page_share_one_scrape(serve: Serve) -> None:
    server = serve(counting())
    settings = (
        MetricsSettings(server.url, gauge="ws"),
        MetricsSettings(server.url, rate="req"),
        MetricsSettings(server.url, gauge="pool"),
    )
    probes = [MetricsProbe("p", one, None) for one in settings]
    readings = await asyncio.gather(*(probe.read() for probe in probes))
    assert len(server.seen) == 1
    assert [reading.value for reading in readings] == [1204, None, 20]
    late = MetricsProbe("p", MetricsSettings(server.url, gauge="pool_free"), None)
    assert (await late.read()).value == 5  # a name that the scrape before didn't keep
    assert len(server.seen) == 2
    for probe in (*probes, late):
        await probe.close()
    assert not scraping.Page._pages


async def test_one_reader_that_gives_up_does_not_end_the_scrape_of_others(serve: Serve) -> None:
    server = serve(counting())
    first = MetricsProbe("a", MetricsSettings(server.url, gauge="ws"), None)
    second = MetricsProbe("b", MetricsSettings(server.url, gauge="ws"), None)
    leaving = asyncio.create_task(first.read())
    staying = asyncio.create_task(second.read())
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).value == 1204
    await first.close()
    await second.close()


async def test_through_a_host_the_page_sees_its_own_name(serve: Serve) -> None:
    server = serve(counting())
    host = ForwardingHost(server.port)
    settings = MetricsSettings(
        "http://app.internal:8000/metrics", gauge="ws", headers={"Authorization": "Bearer x"}
    )
    probe = MetricsProbe("ws", settings, host)
    assert (await probe.read()).value == 1204
    assert host.reached == [("app.internal", 8000)]
    assert server.seen[0]["Host"] == "app.internal:8000"
    assert server.seen[0]["Authorization"] == "Bearer x"
    await probe.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((503, b""), "status 503 from http"),
        ((200, b"<html>\n"), "not a metrics page: line 1: not a sample: <html> .http"),
        ((200, b"# \n" * 4_000_000), "longer than 10 MB: http"),
        ((200, b"ws 1"), "the page ends in the middle of a line: ws 1"),
    ],
)
async def test_a_bad_page_is_an_error(serve: Serve, answer: Answer, words: str) -> None:
    probe = MetricsProbe("ws", MetricsSettings(serve(lambda _: answer).url, gauge="ws"), None)
    with pytest.raises(ProbeError, match=words):
        await probe.read()
    await probe.close()


async def test_nobody_there() -> None:
    with socket.socket() as quiet:
        quiet.bind(("127.0.0.1", 0))
        port = quiet.getsockname()[1]
        settings = MetricsSettings(f"http://127.0.0.1:{port}/metrics", gauge="ws")
        probe = MetricsProbe("ws", settings, None)
        with pytest.raises(ProbeError, match=f"nothing listens at http://127.0.0.1:{port}/metrics"):
            await probe.read()
        quiet.listen()  # and never answers
        with deadline(0.2), pytest.raises(ProbeError, match=r"no answer within 0\.2 s from http"):
            await probe.read()
        reading = await take(probe, 2)
        assert (reading.status, reading.value) == (Status.ERROR, None)
        assert reading.summary.startswith("no answer within 2 s from http")
        await probe.close()


def test_settings_say_all_that_is_wrong() -> None:
    settings = MetricsSettings(
        "localhost/metrics", rate="rate(a)", ratio=("a",), quantile=95.0, window=Seconds(0)
    )
    assert list(settings.problems()) == [
        ("url", "not an http:// or https:// address: 'localhost/metrics'"),
        ("", "needs exactly one of gauge, share, rate, ratio and histogram"),
        ("ratio", "has 1 selectors, expected [part, whole]"),
        ("quantile", "histogram and quantile belong together"),
        ("quantile", "expected a number between 0 and 1, such as 0.95"),
        ("window", "expected more than 0 s"),
        ("rate", '"rate(a)" is not a metric name with optional {label="value"} matchers'),
    ]
    assert not list(MetricsSettings("http://x/metrics", gauge="a").problems())
    assert not list(MetricsSettings("${URL}/metrics", gauge="a").problems())
