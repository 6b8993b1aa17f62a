"""What an action's readiness rests on, and whether it lets the action begin."""

from __future__ import annotations

from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.codec import from_plain, to_plain
from optibid_console.criteria import Sample
from optibid_console.engine.observed import without_log_in
from optibid_console.permit import permit
from optibid_console.preflight import failed_checks, lamp_probes, unready
from optibid_console.runbook.model import Action, ProbeSpec, Runbook, Window
from probes.probe import Reading, Seconds, Status

NOW = 1000.0
DATABASE = ProbeSpec("database", "postgres", "PostgreSQL", every=Seconds(5), timeout=Seconds(3))
BACKUP = ProbeSpec("backup", "command", every=Seconds(600), timeout=Seconds(300))
ROLLBACK = Action("rollback", "Rollback", ready_when=("database", "backup", "database"))
BOOK = Runbook(
    Window("W", "v1"),
    probes={one.id: one for one in (DATABASE, BACKUP, ProbeSpec("other", "command"))},
    actions=(ROLLBACK, Action("backup", "Backup")),
)


def reading(status: Status, said: str = "") -> Reading:
    return Reading("x", status, said, NOW, 1.0)


def sample(status: Status = Status.OK, age_s: float = 1.0) -> Sample:
    return Sample(NOW - age_s, status)


def test_the_lamp_rests_on_the_probes_of_ready_when_alone() -> None:
    assert lamp_probes(BOOK) == {"database", "backup"}


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (None, "not known yet"),
        (sample(), ""),
        (sample(age_s=18.0), ""),
        (sample(age_s=18.1), "not read since 00:16:21Z"),
        (sample(Status.WARN), "warn"),
        (sample(Status.FAILING), "failing"),
        (sample(Status.ERROR), "error"),
    ],
)
def test_a_probe_makes_an_action_ready_by_its_last_reading(last: Sample | None, why: str) -> None:
    assert unready(DATABASE, last, NOW) == why


@pytest.mark.parametrize(
    ("readings", "last", "failed"),
    [
        ({"database": reading(Status.OK), "backup": reading(Status.WARN)}, {}, ()),
        ({}, {}, ()),  # none of them can be read: a fact is missing
        (
            {"database": reading(Status.ERROR, "authentication failed"), "backup": None},
            {"database": sample(), "backup": sample()},
            ("PostgreSQL: authentication failed",),
        ),
        (
            {"backup": reading(Status.FAILING), "database": reading(Status.FAILING, "refused")},
            {},
            ("PostgreSQL: refused", "backup: failing"),
        ),
        ({"backup": None}, {}, ("backup: no answer within 8 s, and before: not known yet",)),
        (
            {"backup": None},
            {"backup": sample(Status.FAILING)},
            ("backup: no answer within 8 s, and before: failing",),
        ),
        ({"backup": None}, {"backup": sample(age_s=2100)}, ()),
        (
            {"backup": None},
            {"backup": sample(age_s=2101)},
            ("backup: no answer within 8 s, and before: not read since 23:41:39Z",),
        ),
    ],
)
def test_what_fails_is_named_with_its_reason(
    readings: Any, last: Any, failed: tuple[str, ...]
) -> None:
    assert failed_checks(BOOK, ROLLBACK, readings, last, NOW, 8.0) == failed


@pytest.mark.parametrize("status", list(Status))
def test_a_host_that_lets_nobody_in_makes_no_probe_ready(status: Status) -> None:
    given = reading(status, "as it was")
    assert without_log_in(given, "") is given
    shut = without_log_in(given, "app-1: permission denied")
    if status is Status.FAILING:
        assert shut is given
    else:
        assert (shut.status, shut.summary) == (
            Status.ERROR, "no new log-in: app-1: permission denied",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "forced", "anyway", "wanted"),
    [
        ("rollback anyway", False, True, ""),
        ("rollback without journal anyway", True, True, ""),
        ("rollback", False, True, "rollback anyway"),
        ("rollback anyway", False, False, "rollback"),
        ("rollback without journal", True, True, "rollback without journal anyway"),
        ("rollback anyway", True, True, "rollback without journal anyway"),
    ],
)
def test_going_on_all_the_same_takes_a_longer_word(
    story: Any, typed: str, forced: bool, anyway: bool, wanted: str
) -> None:
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    story.do("1.2")
    story.do("2.1")
    command = c.StartAction("rollback", typed, forced, anyway=anyway)
    assert permit(story.state, command) == (f"type {wanted!r} to confirm it" if wanted else "")


def test_an_action_of_an_older_journal_reads_as_one_that_was_ready() -> None:
    old = e.ActionStarted("rollback", "rollback1", ("R1",), ("it burns",))
    plain = to_plain(old)
    del plain["not_ready"]
    assert from_plain(e.ActionStarted, plain) == old
    anyway = e.ActionStarted("rollback", "rollback1", ("R1",), (), ("PostgreSQL: refused",))
    assert from_plain(e.ActionStarted, to_plain(anyway)) == anyway
