from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optibid_console import criteria
from optibid_console.criteria import (
    Clause,
    Judgement,
    Observations,
    Sample,
    needed_gap_s,
    parse,
    sample_gaps,
)
from optibid_console.entries import Verdict
from optibid_console.runbook.model import Criterion, PanelSpec, ProbeSpec, Runbook, Window
from probes.probe import Seconds, Status

NOW = 1000.0


def criterion(fail_when: str, hold_s: float = 0.0) -> Criterion:
    return Criterion("c", "C", fail_when, Seconds(hold_s))


def judge(
    wanted: Criterion,
    history: Mapping[tuple[str, str], Sequence[Sample]],
    baseline: Mapping[str, float],
    now: float,
) -> Judgement:
    return criteria.judge(wanted, Observations(history, baseline), now)


def errors(*pairs: tuple[float, float | None]) -> dict[tuple[str, str], list[Sample]]:
    samples = [
        Sample(NOW - ago, Status.ERROR if value is None else Status.OK, value, "ratio")
        for ago, value in pairs
    ]
    return {("panel", "errors"): samples}


@pytest.mark.parametrize(
    ("history", "hold_s", "verdict", "said"),
    [
        ({}, 0, Verdict.INCONCLUSIVE, "no data yet"),
        (errors((60, 0.01)), 0, Verdict.INCONCLUSIVE, "no data for 60 s"),
        (errors((1, None)), 0, Verdict.ERROR, "no data"),
        (errors((1, 0.01)), 0, Verdict.PASS, "errors 1 %, limit 5 %"),
        (errors((1, 0.05)), 0, Verdict.PASS, "5 %"),
        (errors((1, 0.07)), 0, Verdict.FAIL, "errors 7 %, limit 5 %"),
        (errors((1, 0.07)), 30, Verdict.INCONCLUSIVE, "for 1 s of 30 s"),
        (errors((40, 0.07), (20, 0.07), (1, 0.07)), 30, Verdict.FAIL, "7 %"),
        (errors((40, 0.07), (20, 0.01), (1, 0.07)), 30, Verdict.INCONCLUSIVE, "1 s of 30 s"),
        (errors((40, 0.07), (20, None), (1, 0.07)), 30, Verdict.INCONCLUSIVE, "1 s of 30 s"),
        (errors((29, 0.07), (15, None), (1, 0.07)), 28, Verdict.FAIL, "7 %"),
    ],
)
def test_a_panel_against_a_number(
    history: dict[tuple[str, str], list[Sample]], hold_s: float, verdict: Verdict, said: str
) -> None:
    judged = judge(criterion("panel.errors > 0.05", hold_s), history, {}, NOW)
    assert judged.verdict is verdict
    assert said in judged.reason


def test_since_is_when_the_stretch_began() -> None:
    history = errors((25, 0.01), (20, 0.06), (10, 0.07), (1, 0.08))
    assert judge(criterion("panel.errors > 0.05"), history, {}, NOW).since == NOW - 20


def test_against_a_baseline() -> None:
    slow = {("panel", "latency"): [Sample(NOW, Status.OK, 200.0, "ms")]}
    wanted = criterion("panel.latency > 1.5 * baseline")
    assert judge(wanted, slow, {}, NOW).verdict is Verdict.INCONCLUSIVE
    assert judge(wanted, slow, {"latency": 180.0}, NOW).verdict is Verdict.PASS
    failed = judge(wanted, slow, {"latency": 120.0}, NOW)
    assert failed.verdict is Verdict.FAIL
    assert failed.reason == "latency 200 ms, limit 180 ms (1.5 × baseline 120 ms)"


@pytest.mark.parametrize(
    ("status", "state", "verdict"),
    [
        (Status.OK, "failing", Verdict.PASS), (Status.WARN, "failing", Verdict.PASS),
        (Status.FAILING, "failing", Verdict.FAIL), (Status.ERROR, "failing", Verdict.ERROR),
        (Status.WARN, "not ok", Verdict.FAIL),
        (Status.WARN, "not passing", Verdict.PASS), (Status.FAILING, "not passing", Verdict.FAIL),
        (Status.FAILING, "away", Verdict.PASS), (Status.ERROR, "away", Verdict.ERROR),
    ],
)  # fmt: skip
def test_a_probe(status: Status, state: str, verdict: Verdict) -> None:
    history = {("probe", "db"): [Sample(NOW, status, summary="3 tables missing")]}
    assert judge(criterion(f"probe.db is {state}"), history, {}, NOW).verdict is verdict


@pytest.mark.parametrize(
    ("state", "verdict", "said"),
    [
        ("failing", Verdict.INCONCLUSIVE, "db doesn't answer: refused"),
        ("away", Verdict.FAIL, "db away: refused"),
        ("not passing", Verdict.FAIL, "db away: refused"),
        ("not ok", Verdict.FAIL, "db away: refused"),
    ],
)
def test_no_answer_is_no_wrong_answer(state: str, verdict: Verdict, said: str) -> None:
    refused = Sample(NOW, Status.FAILING, summary="refused", away=True)
    history = {("probe", "db"): [replace(refused, at=NOW - 1), refused]}
    judged = judge(criterion(f"probe.db is {state}"), history, {}, NOW)
    assert (judged.verdict, judged.reason) == (verdict, said)


def test_no_answer_neither_proves_nor_breaks_a_wrong_one() -> None:
    wrong, away = Sample(NOW, Status.FAILING), Sample(NOW, Status.FAILING, away=True)
    history = {("probe", "db"): [replace(one, at=NOW - ago) for one, ago in (
        (wrong, 40), (away, 25), (wrong, 10), (wrong, 0))]}  # fmt: skip
    judged = judge(criterion("probe.db is failing", 30), history, {}, NOW)
    assert (judged.verdict, judged.since) == (Verdict.FAIL, NOW - 40)
    judged = judge(criterion("probe.db is away", 0), history, {}, NOW)
    assert judged.verdict is Verdict.PASS


def test_a_broken_measurement_neither_proves_nor_breaks_what_holds() -> None:
    """One lost reading leaves the verdict; only a second one says that it isn't known."""
    failing = [Sample(NOW - ago, Status.FAILING) for ago in (40, 30, 20, 10)]
    lost = Sample(NOW, Status.ERROR, summary="the link to db-1 is down")
    wanted, gaps = criterion("probe.db is failing", 30), {("probe", "db"): 25.0}

    def at(now: float, *more: Sample) -> Judgement:
        seen = Observations({("probe", "db"): [*failing, lost, *more]}, gaps=gaps)
        return criteria.judge(wanted, seen, now)

    assert at(NOW + 1).verdict is Verdict.FAIL
    assert at(NOW + 2, replace(lost, at=NOW + 1)).verdict is Verdict.ERROR
    assert at(NOW + 11, Sample(NOW + 10, Status.FAILING)).verdict is Verdict.FAIL
    later = at(NOW + 16)
    assert (later.verdict, later.reason) == (Verdict.ERROR, "db: the link to db-1 is down")


def test_how_old_a_sample_may_be_follows_from_its_pace() -> None:
    specs = {"slow": ProbeSpec("slow", "http", every=Seconds(30), timeout=Seconds(4))}
    panels = {"p": PanelSpec("p", "metrics", every=Seconds(2), timeout=Seconds(5))}
    gaps = sample_gaps(Runbook(Window("W", "v1"), probes=specs, panels=panels))
    assert gaps[("probe", "slow")] == pytest.approx(64, abs=5)
    assert gaps[("panel", "p")] == pytest.approx(2 * 6 + 5, abs=5)  # a beat takes up three periods
    assert gaps[("probe", "slow")] > needed_gap_s(specs["slow"])


EVERY_S = st.sampled_from([0.5, 2.0, 5.0, 10.0, 15.0, 29.0, 30.0, 31.0, 60.0, 600.0])


@given(
    every_s=EVERY_S, timeout_share=st.floats(0.05, 1.0), hold_s=st.floats(0.0, 900.0),
    lost=st.none() | st.tuples(st.integers(0, 40), st.sampled_from([Status.ERROR, None])),
    jitter=st.lists(st.floats(0.0, 1.0), min_size=50, max_size=50), since=st.floats(0.0, 1.0),
)  # fmt: skip
def test_what_fails_without_a_break_trips_in_time_and_stays_tripped(
    every_s: float,
    timeout_share: float,
    hold_s: float,
    lost: tuple[int, Status | None] | None,
    jitter: list[float],
    since: float,
) -> None:
    """Whatever the period, `for`, the lateness of each reading and one lost reading are."""
    timeout_s = every_s * timeout_share
    spec = ProbeSpec("db", "postgres", every=Seconds(every_s), timeout=Seconds(timeout_s))
    wanted = criterion("probe.db is failing", hold_s)
    failing_from = NOW + since * every_s
    gaps = sample_gaps(Runbook(Window("W", "v1"), probes={"db": spec}))
    samples: list[tuple[float, Sample]] = []  # when it is known, and what it says
    for beat, late in enumerate(jitter):
        at = NOW + beat * every_s + late * timeout_s / 2
        status = Status.OK if at < failing_from else Status.FAILING
        if lost is not None and lost[0] == beat:
            if lost[1] is None:
                continue
            status = lost[1]
        samples.append((at + timeout_s / 2, Sample(at, status)))
    trips_by = failing_from + hold_s + 2 * every_s + timeout_s
    last = samples[-1][1].at
    moments = [trips_by, *(at for known, one in samples for at in (known, known - 0.001))]
    for now in (one for one in moments if trips_by <= one <= last):
        told = [one for known, one in samples if known <= now]
        seen = Observations({("probe", "db"): told}, gaps=gaps)
        assert criteria.judge(wanted, seen, now).verdict is Verdict.FAIL


def test_the_worst_clause_decides() -> None:
    history = {
        **errors((1, 0.01)),
        ("probe", "db"): [Sample(NOW, Status.FAILING, summary="gone")],
    }
    wanted = criterion("panel.errors > 0.05 or probe.db is failing")
    judged = judge(wanted, history, {}, NOW)
    assert judged.verdict is Verdict.FAIL
    assert judged.reason == "db failing: gone"
    unknown = judge(criterion("panel.errors > 0.05 or probe.x is failing"), history, {}, NOW)
    assert unknown.verdict is Verdict.INCONCLUSIVE


def test_what_only_a_person_can_say_is_never_a_pass() -> None:
    assert judge(criterion(""), {}, {}, NOW).verdict is Verdict.INCONCLUSIVE


def test_parse() -> None:
    assert parse("panel.errors > 0.05 or probe.db is failing") == (
        Clause("panel", "errors", ">", 0.05),
        Clause("probe", "db", "failing"),
    )
    assert parse("probe.db is not passing") == (Clause("probe", "db", "not passing"),)
    assert parse("panel.p95<=1.5 * baseline") == (Clause("panel", "p95", "<=", 1.5, True),)


@pytest.mark.parametrize("text", ["", "errors > 5", "panel.x > y", "probe.x is sad", "panel.x >"])
def test_what_cannot_be_read_says_what_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match=r"write `panel\.ID > NUMBER`"):
        parse(text)
