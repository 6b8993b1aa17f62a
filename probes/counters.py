"""What counters, gauges and histograms say between scrapes of one page. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from probes.aside import stop_if_given_up
from probes.exposition import Labels, Selector
from probes.number import Pick, picked


class NoData(Exception):
    """There is no number; the message says why. Never a zero."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples of one fetch of a page."""

    at: float
    """Seconds since the epoch, UTC."""
    clock_s: float
    """The monotonic clock at the same moment: differences are taken of this."""
    samples: Mapping[str, Mapping[Labels, float]]
    """Values by metric name and labels, for all the names that were asked for."""
    kept_bytes: int = 0
    """Of the lines whose samples these are."""
    _accepted: dict[Selector, Mapping[Labels, float]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def accepted(self, selector: Selector) -> Mapping[Labels, float]:
        """The series that the selector accepts, which is found out once."""
        known = self._accepted.get(selector)
        if known is None:
            family = self.samples.get(selector.name, {})
            known = {labels: value for labels, value in family.items() if selector.accepts(labels)}
            self._accepted[selector] = known
        return known

    def knows(self, selector: Selector) -> bool:
        """Whether it was found out already which series the selector accepts."""
        return selector in self._accepted


def within(history: Sequence[Scrape], window_s: float) -> Sequence[Scrape]:
    """The scrapes of the last `window_s` seconds, and at least the last two.

    Raises `NoData` when there is only one.
    """
    if len(history) < 2:
        raise NoData("waiting for a second scrape")
    since = history[-1].clock_s - window_s * 1.02  # a timer is a little late, never early
    inside = [scrape for scrape in history if scrape.clock_s >= since]
    return inside if len(inside) > 1 else history[-2:]


def matching(scrape: Scrape, selector: Selector) -> Mapping[Labels, float]:
    """The series that the selector accepts; empty when the metric has none such yet.

    Raises `NoData` when the metric isn't on the page, and when it never has a label that
    the selector needs: that is a typing error, not a zero.
    """
    family = scrape.samples.get(selector.name)
    if not family:
        raise NoData(f"no metric {selector.name} on the page")
    found = scrape.accepted(selector)
    if not found and (unknown := selector.unknown_labels(family)):
        raise NoData(f"{selector.name} has no label {', '.join(unknown)}")
    return found


def gauge(scrape: Scrape, selector: Selector, pick: Pick) -> float:
    """The value of the one series, or what `pick` (`max`, `min`, `sum`) makes of several."""
    found = [value for value in matching(scrape, selector).values() if math.isfinite(value)]
    if not found:
        raise NoData(f"no value of {selector.name}")
    if len(found) > 1 and not pick:
        raise NoData(f'{len(found)} series of {selector.name}, expected one: pick = "sum"?')
    return picked(pick, found)


def increases(scrapes: Sequence[Scrape], selector: Selector) -> Mapping[Labels, float]:
    """By how much each counter grew over the scrapes.

    A value below the one before is a reset: the counter began at 0 again. A series that
    appears between two scrapes began at 0 too: that is how a first error is seen, which
    Prometheus' own `rate` can't.
    """
    matching(scrapes[-1], selector)
    grown: dict[Labels, float] = {}
    for before, after in pairwise(scrapes):
        stop_if_given_up()
        earlier = before.samples.get(selector.name, {})
        for labels, value in after.accepted(selector).items():
            if not math.isfinite(value):
                continue
            last = earlier.get(labels, 0.0)
            grown[labels] = grown.get(labels, 0.0) + (value - last if value >= last else value)
    return grown


def rate(scrapes: Sequence[Scrape], selector: Selector) -> float:
    """Growth per second, summed over the series."""
    seconds = scrapes[-1].clock_s - scrapes[0].clock_s
    if seconds <= 0:
        raise NoData("waiting for a second scrape")
    return math.fsum(increases(scrapes, selector).values()) / seconds


def ratio(scrapes: Sequence[Scrape], part: Selector, whole: Selector) -> float:
    """The growth of `part` as a share of that of `whole`. No growth of it is no data."""
    total = math.fsum(increases(scrapes, whole).values())
    share = math.fsum(increases(scrapes, part).values())
    if total <= 0:
        raise NoData(f"{whole.name} did not grow in {_span(scrapes)}")
    return share / total


def quantile(scrapes: Sequence[Scrape], buckets: Selector, q: float) -> float:
    """The `q`-quantile of what a histogram observed between the scrapes."""
    counts: dict[float, float] = {}
    for labels, grown in increases(scrapes, buckets).items():
        bound = _bound(labels, buckets.name)
        counts[bound] = counts.get(bound, 0.0) + grown
    return histogram_quantile(q, counts, _span(scrapes))


def histogram_quantile(q: float, counts: Mapping[float, float], span: str) -> float:
    """The `q`-quantile of cumulative bucket counts by upper bound, as Prometheus does it.

    Linear inside a bucket, the lowest of which begins at 0; in the `+Inf` bucket it is
    the highest finite bound. Source: prometheus/promql/quantile.go, `bucketQuantile` and
    `ensureMonotonic`. Raises `NoData` without observations or without a `+Inf` bucket.
    """
    bounds = sorted(counts)
    if not bounds or not math.isinf(bounds[-1]) or len(bounds) < 2:
        raise NoData("the histogram has no +Inf bucket beside others")
    cumulative: list[float] = []
    for bound in bounds:
        cumulative.append(max(counts[bound], cumulative[-1] if cumulative else 0.0))
    if cumulative[-1] <= 0:
        raise NoData(f"no observations in {span}")
    rank = q * cumulative[-1]
    last = len(bounds) - 1
    index = next((i for i in range(last) if cumulative[i] >= rank), last)
    if index == last:
        return bounds[last - 1]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    start, below = (bounds[index - 1], cumulative[index - 1]) if index else (0.0, 0.0)
    inside = cumulative[index] - below
    if inside <= 0:
        return bounds[index]
    return start + (bounds[index] - start) * (rank - below) / inside


def _bound(labels: Labels, name: str) -> float:
    text = dict(labels).get("le", "")
    try:
        return float(text)
    except ValueError as error:
        raise NoData(f'{name} is no histogram: le="{text}"') from error


def _span(scrapes: Sequence[Scrape]) -> str:
    return f"{scrapes[-1].clock_s - scrapes[0].clock_s:.0f} s"
