"""Rates, ratios and quantiles between scrapes; no data is said and never a zero."""

from __future__ import annotations

import math

import pytest

from probes import counters
from probes.counters import NoData, Scrape, histogram_quantile
from probes.exposition import PageParser, parse_selector

INF = math.inf


def scrapes(*pages: str, every_s: float = 2.0) -> list[Scrape]:
    names = ("req", "err", "g", "h_bucket")
    found = []
    for number, page in enumerate(pages):
        parser = PageParser(names)
        parser.feed(page.replace("; ", "\n").encode() + b"\n")
        found.append(Scrape(1000 + number * every_s, number * every_s, parser.close()))
    return found


REQ = parse_selector("req")
ERRORS = parse_selector('req{s=~"5.."}')


@pytest.mark.parametrize(
    ("pages", "per_s"),
    [
        (["req 10", "req 14"], 2.0),
        (["req 10", "req 10"], 0.0),
        (["req 10", "req 4"], 2.0),  # a reset: it began at 0 again
        (["req 10", "req 12", "req 1", "req 3"], 5 / 6),
        (['req{s="200"} 1', 'req{s="200"} 3; req{s="500"} 4'], 3.0),  # a series was born
        (["req 1", "req NaN", "req 5"], 1.25),
    ],
)
def test_rate(pages: list[str], per_s: float) -> None:
    assert counters.rate(scrapes(*pages), REQ) == pytest.approx(per_s)


def test_no_error_so_far_is_zero_but_a_typing_error_is_no_data() -> None:
    history = scrapes('req{s="200"} 1', 'req{s="200"} 9')
    assert counters.ratio(history, ERRORS, REQ) == 0
    with pytest.raises(NoData, match="req has no label status"):
        counters.ratio(history, parse_selector('req{status=~"5.."}'), REQ)
    with pytest.raises(NoData, match="no metric err on the page"):
        counters.ratio(history, parse_selector("err"), REQ)


def test_ratio_without_traffic_is_no_data() -> None:
    with pytest.raises(NoData, match="req did not grow in 2 s"):
        counters.ratio(scrapes('req{s="500"} 5', 'req{s="500"} 5'), ERRORS, REQ)


def test_ratio() -> None:
    history = scrapes('req{s="200"} 0; req{s="503"} 1', 'req{s="200"} 19; req{s="503"} 2')
    assert counters.ratio(history, ERRORS, REQ) == pytest.approx(0.05)


def test_gauges() -> None:
    (one,) = scrapes('g{a="1"} 3; g{a="2"} 5; req NaN')
    assert counters.gauge(one, parse_selector('g{a="2"}'), "") == 5
    assert counters.gauge(one, parse_selector("g"), "sum") == 8
    assert counters.gauge(one, parse_selector("g"), "min") == 3
    for selector, words in (("g", "2 series of g"), ("req", "no value"), ('g{a="3"}', "no value")):
        with pytest.raises(NoData, match=words):
            counters.gauge(one, parse_selector(selector), "")


def test_the_window_takes_its_scrapes_and_at_least_two() -> None:
    history = scrapes(*["req 1"] * 10)
    assert len(counters.within(history, 6)) == 4
    assert len(counters.within(history, 0.1)) == 2
    with pytest.raises(NoData, match="waiting for a second scrape"):
        counters.within(history[:1], 6)


@pytest.mark.parametrize(
    ("q", "counts", "value"),
    [
        (0.5, {0.1: 10, 0.2: 20, INF: 20}, 0.1),
        (0.75, {0.1: 10, 0.2: 20, INF: 20}, 0.15),
        (0.25, {0.1: 10, 0.2: 20, INF: 20}, 0.05),  # the lowest bucket begins at 0
        (0.99, {0.1: 10, 0.2: 20, INF: 100}, 0.2),  # in +Inf: the highest finite bound
        (0.5, {-1.0: 10, 0.2: 10, INF: 10}, -1.0),  # a lowest bound that isn't positive
        (0.9, {0.1: 10, 0.2: 8, INF: 10}, 0.09),  # made monotonic
    ],
)
def test_histogram_quantile(q: float, counts: dict[float, float], value: float) -> None:
    assert histogram_quantile(q, counts, "10 s") == pytest.approx(value)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({0.1: 0, INF: 0}, "no observations in 10 s"),
        ({0.1: 5, 0.2: 5}, r"no \+Inf bucket"),
        ({INF: 5}, "beside others"),
        ({}, r"no \+Inf bucket"),
    ],
)
def test_histogram_quantile_without_data(counts: dict[float, float], words: str) -> None:
    with pytest.raises(NoData, match=words):
        histogram_quantile(0.95, counts, "10 s")


def test_quantile_sums_the_series_and_takes_what_came_between() -> None:
    old = 'h_bucket{le="1"} 900; h_bucket{le="+Inf"} 900'
    new = 'h_bucket{le="1"} 900; h_bucket{le="2"} 10; h_bucket{le="+Inf"} 910'
    value = counters.quantile(scrapes(old, new), parse_selector("h_bucket"), 0.5)
    assert value == pytest.approx(1.5)
