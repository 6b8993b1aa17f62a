from __future__ import annotations

import pytest

from optibid_console.criteria import Clause, Sample, judge, parse
from optibid_console.entries import Verdict
from optibid_console.runbook.model import Criterion
from probes.probe import Seconds, Status

NOW = 1000.0


def criterion(fail_when: str, hold_s: float = 0.0) -> Criterion:
    return Criterion("c", "C", fail_when, Seconds(hold_s), Seconds(30))


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
    ],
)  # fmt: skip
def test_a_probe(status: Status, state: str, verdict: Verdict) -> None:
    history = {("probe", "db"): [Sample(NOW, status, summary="3 tables missing")]}
    assert judge(criterion(f"probe.db is {state}"), history, {}, NOW).verdict is verdict


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
    assert parse("panel.p95<=1.5 * baseline") == (Clause("panel", "p95", "<=", 1.5, True),)


@pytest.mark.parametrize("text", ["", "errors > 5", "panel.x > y", "probe.x is sad", "panel.x >"])
def test_what_cannot_be_read_says_what_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match=r"write `panel\.ID > NUMBER`"):
        parse(text)
