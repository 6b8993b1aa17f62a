"""What a screen makes of entries and signals before it draws them: output, ages, who drives."""

from __future__ import annotations

from optibid_console import entries as e
from optibid_console.signals import Output, Pulse, Sampled
from optibid_console.source import CaughtUp, Role
from probes.probe import Status
from screens.run_output import MAX_LINE, MAX_LINES, RunOutput
from screens.view import Topic, View
from tests.screens import recording as rec
from tests.screens.viewed import seen


def test_output_is_taken_once_whatever_is_sent_again() -> None:
    out = RunOutput()
    assert out.add(0, b"one\ntw")
    assert not out.add(0, b"one\n")
    assert out.add(4, b"two\nthree")
    assert [out[i] for i in range(len(out))] == [b"one", b"two", b"three"]


def test_a_gap_in_the_output_is_named() -> None:
    out = RunOutput()
    out.add(0, b"one\n")
    out.add(14, b"late\n")
    assert [out[i] for i in range(len(out))] == [
        b"one", b"[10 bytes of output were not received]", b"late",
    ]  # fmt: skip


def test_progress_lines_show_their_last_state() -> None:
    out = RunOutput()
    out.add(0, b"10 %\r20 %\r30 %\ndone\r\n")
    assert [out[i] for i in range(len(out))] == [b"30 %", b"done"]


def test_output_is_bounded_in_lines_and_in_the_length_of_one() -> None:
    out = RunOutput()
    out.add(0, b"x\n" * (MAX_LINES + 10))
    assert len(out) == MAX_LINES
    assert out.first_line == 10
    out.add(out.next_offset, b"y" * (MAX_LINE * 3 + 1))
    assert max(len(out[i]) for i in range(len(out))) == MAX_LINE


def test_only_what_trips_before_our_eyes_rings() -> None:
    view = View(clock=lambda: rec.NOW)
    recorder = rec.tripped()
    for entry in recorder.entries:
        view.take(entry)
    view.take(CaughtUp(len(recorder.entries)))
    assert view.tripped == []
    passed = e.CriterionJudged("error-rate", e.Verdict.PASS, "0.1 % is at most 5 %", rec.NOW)
    recorder.add(passed, actor="console")
    view.take(recorder.entries[-1])
    rec.trip(recorder)
    assert Topic.BANNER in view.take(recorder.entries[-1])
    assert view.tripped == ["error-rate"]


def test_the_same_status_waits_for_the_tick_and_a_new_one_does_not() -> None:
    view = seen(rec.good_day())
    same = rec.reading("postgres", Status.OK, "fine", rec.NOW)
    assert view.take(Sampled("probe", same)) == frozenset()
    worse = rec.reading("postgres", Status.FAILING, "refused", rec.NOW)
    assert Topic.PROBES in view.take(Sampled("probe", worse))


def test_an_old_reading_is_stale_and_a_missing_one_unknown() -> None:
    view = seen(rec.good_day())
    assert view.health("postgres", rec.NOW) == "ok"
    assert view.health("postgres", rec.NOW + 60) == "stale"
    fresh = View(clock=lambda: rec.NOW)
    for entry in rec.opened().entries:
        fresh.take(entry)
    assert fresh.health("postgres", rec.NOW) == "unknown"


def test_the_clock_is_the_engines() -> None:
    view = View(clock=lambda: 1000.0)
    view.take(Pulse(1060.0, 0.1))
    assert view.now() == 1060.0


def test_outputs_of_old_runs_make_room() -> None:
    view = View()
    for i in range(100):
        view.take(Output(f"run-{i}", 0, b"x\n"))
    assert "run-99" in view.outputs
    assert len(view.outputs) < 100


def test_a_role_without_the_lease_drives_nothing() -> None:
    view = seen(rec.good_day())
    assert view.drives
    view.take(Role(False, "oncall-2"))
    assert not view.drives
    assert view.holder == "oncall-2"
