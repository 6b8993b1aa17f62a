"""What each pane says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len

from optibid_console import entries as e
from optibid_console.advice import advice
from optibid_console.plan import preview
from optibid_console.signals import Sampled
from probes.probe import Reading, Status
from screens.lines import Segment, fit_segments, spans
from screens.modals.action import preview_lines
from screens.view import Topic
from screens.widgets.advice_line import advice_line
from screens.widgets.banner import MAX_ALERTS, banner_lines
from screens.widgets.checklist import checklist_lines
from screens.widgets.footer import footer_line, pane_bar
from screens.widgets.header import format_estimate, header_lines
from screens.widgets.probes import probes_lines
from screens.widgets.step_line import step_spans, why_lines
from screens.widgets.timeline import timeline_lines
from tests.screens import recording as rec
from tests.screens.small_runbook import small_runbook
from tests.screens.viewed import seen


def text(lines: object) -> str:
    return "\n".join(line.text for line in lines)  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [20, 40, 80, 120, 160])
@pytest.mark.parametrize("state", ["opened", "good_day", "migrated", "tripped", "rolling_back"])
def test_no_line_is_wider_than_its_pane(width: int, state: str) -> None:
    view = seen(getattr(rec, state)())
    every = [
        *header_lines(view, width, rec.NOW), *banner_lines(view, width, rec.NOW),
        *timeline_lines(view, width, rec.NOW, None, 60), *checklist_lines(view, width, rec.NOW),
        *probes_lines(view, width, rec.NOW), footer_line(view, "timeline", "step:2.1c", width),
    ]  # fmt: skip
    for line in every:
        assert cell_len(line.text) <= width, line.text


def test_the_header_says_where_when_and_whether_there_is_a_way_back() -> None:
    clock, lamps = header_lines(seen(rec.good_day()), 160, rec.NOW)
    said = " ".join(clock.text.split())
    assert said == (
        "OptiBid production v2.4.0 T-00:42:17 phase 2/5 Database migration "
        "1:26 behind ends T+01:01 20:17:43Z"
    )
    assert lamps.text.strip() == (
        "operator oncall-1  ◉ 3 watching  ● recording  ⟲ ROLLBACK READY ~4m12s  "
        "criteria 2 pass 1 inconclusive  ✗ 1 failing  ~ 1 stale  ! 1 warn"
    )


def test_a_dark_rollback_lamp_says_what_is_missing() -> None:
    recorder = rec.good_day()
    missing = ("disk to restore: 3 GB free, 40 GB needed", "backup is not verified")
    recorder.add(e.ReadinessChanged("rollback", False, missing), actor="console")
    view = seen(recorder)
    assert "ROLLBACK NOT READY: disk to restore: 3 GB free" in text(
        header_lines(view, 250, rec.NOW)
    )
    assert "NOT READY: disk to restore" in text(header_lines(view, 80, rec.NOW))


def test_the_header_counts_no_verdict_as_a_pass() -> None:
    assert "criteria 3 inconclusive" in text(header_lines(seen(rec.opened()), 160, rec.NOW))


def test_a_step_that_runs_over_says_so() -> None:
    view = seen(rec.good_day())
    assert "1:12/2:30" in text(timeline_lines(view, 60, rec.NOW))
    assert "2:42/2:30 over" in text(timeline_lines(view, 60, rec.NOW + 90))


def test_the_timeline_marks_t0_and_what_is_next() -> None:
    lines = timeline_lines(seen(rec.migrated()), 80, rec.NOW)
    assert any(line.text.startswith("── T-0 21:00:00Z ─") for line in lines)
    following = next(line for line in lines if line.key == "step:2.1c")
    assert following.text.startswith(" ▸ ○ 2.1c")
    assert following.text.endswith("next ~0:30")


def test_what_comes_next_is_unfolded_as_far_as_there_is_room() -> None:
    view = seen(rec.migrated())
    assert "3.1 switch" not in text(timeline_lines(view, 80, rec.NOW, None, 8))
    assert "3.1 switch" in text(timeline_lines(view, 80, rec.NOW, None, 40))


def test_an_action_is_its_own_block_on_top() -> None:
    lines = timeline_lines(seen(rec.rolling_back()), 60, rec.NOW)
    assert lines[0].text.startswith("▾ … ROLLBACK under way by oncall-1")
    assert lines[1].text.strip().startswith("✓ R.1 stop the new backend")
    assert lines[2].text.strip().startswith("… R.2 restore the database")
    assert lines[3].text.strip().startswith("○ R.3 start the previous release")


def test_the_checklist_says_who_when_and_why() -> None:
    shown = text(checklist_lines(seen(rec.good_day()), 80, rec.NOW))
    assert "▸ 1 Code readiness" in shown
    assert "✓ Backup completed and verified" in shown
    assert "failed oncall-1 20:17" in shown
    assert "TimescaleDB is missing on the replica" in shown
    assert shown.count("1/3") == 1


def test_an_open_item_shows_its_probe_as_a_hint() -> None:
    recorder = rec.good_day()
    recorder.add(e.ItemMarked("backup", e.Mark.OPEN))
    assert "probe ✓ ok" in text(checklist_lines(seen(recorder), 80, rec.NOW))


def test_the_worst_probe_is_first_and_a_stale_one_says_how_old() -> None:
    shown = text(probes_lines(seen(rec.good_day()), 40, rec.NOW)).splitlines()
    assert shown[0].startswith("✗ backend /health")
    assert shown[0].endswith("failing 0:12")
    assert any(line.startswith("~ redis") and line.endswith("stale 42 s") for line in shown)


def test_many_alerts_are_counted_not_dropped() -> None:
    recorder = rec.tripped()
    for criterion in ("latency", "health", "users"):
        judged = e.CriterionJudged(criterion, e.Verdict.FAIL, "bad", rec.NOW)
        recorder.add(judged, actor="console")
    recorder.add(e.EscalationStarted("bad"))
    lines = banner_lines(seen(recorder), 120, rec.NOW)
    assert len(lines) == MAX_ALERTS
    assert lines[-1].text == " … and 2 more"


def test_a_narrow_banner_gives_the_worst_alert_a_second_line() -> None:
    view = seen(rec.tripped())
    wide, *_ = banner_lines(view, 160, rec.NOW)
    assert "7.3 % > 5 % for 42 s (baseline 0.4 %), for 0:46 since 20:16:57Z" in wide.text
    head, said, *_ = (line.text for line in banner_lines(view, 80, rec.NOW))
    assert head.startswith(" ✗ Error rate exceeds 5%")
    assert head.endswith("R  rollback ")
    assert said == "   7.3 % > 5 % for 42 s (baseline 0.4 %), for 0:46 since 20:16:57Z"


def test_a_failed_step_is_in_the_banner_with_its_last_words_and_the_ways_on() -> None:
    view = seen(rec.failed_step())
    shown = text(banner_lines(view, 160, rec.NOW))
    assert "2.1c verify" in shown
    assert "failed  exit 2: done" in shown
    advised = advice_line(view, "Enter", 160, rec.NOW).text
    assert advised.startswith(" ✗ 2.1c verify")
    assert advised.endswith("Enter run again  s skip  R rollback ")
    assert "     exit 2: done" in text(timeline_lines(view, 60, rec.NOW))


def test_the_banner_says_what_the_panel_says_now() -> None:
    view = seen(rec.tripped())
    now = Reading("errors", Status.FAILING, "", rec.NOW, 1.0, 0.149, "ratio")
    view.take(Sampled("panel", now))
    assert "(baseline 0.4 %), now 14.9 %, for 0:46 since" in text(banner_lines(view, 160, rec.NOW))


def test_a_failing_panel_is_in_header_tab_and_banner_with_from_when_it_is_judged() -> None:
    criteria = tuple(replace(one, active_from="backend") for one in small_runbook().criteria)
    recorder = rec.good_day(small_runbook(criteria=criteria))
    view = seen(recorder)
    now = Reading("errors", Status.FAILING, "", rec.NOW, 1.0, 0.52, "ratio")
    recorder.add(e.ProbeChanged(now, "panel"), actor="console")
    topics = view.take(recorder.entries[-1])
    view.take(Sampled("panel", now))
    assert {Topic.HEADER, Topic.BANNER} <= topics  # the tabs are drawn with the header
    assert "✗ 1 metric failing" in text(header_lines(view, 160, rec.NOW))
    banner = text(banner_lines(view, 80, rec.NOW))
    assert "✗ errors 52 %, limit 5 %  judged from phase 3 (Backend deployment)" in banner
    bar, _ = pane_bar(view, "timeline", 80, rec.NOW)
    assert "Metrics ✗1" in bar.text
    why = preview(view.state, "rollback", rec.NOW, panels=view.panel_readings()).why_now
    assert any(one.startswith("errors 52 %, limit 5 %: judged from phase 3") for one in why)
    well = Reading("errors", Status.OK, "", rec.NOW, 1.0, 0.01, "ratio")
    view.take(Sampled("panel", replace(well, at=rec.NOW + 1)))
    assert "errors" not in text(banner_lines(view, 80, rec.NOW))


def test_after_the_rollback_the_lamp_and_the_banner_offer_no_second_one() -> None:
    recorder = rec.rolled_back()
    recorder.add(e.ReadinessChanged("rollback", True, (), 0.0), actor="console")
    view = seen(recorder)
    assert "ROLLED BACK" in text(header_lines(view, 120, rec.NOW))
    banner = text(banner_lines(view, 140, rec.NOW + 120))
    assert "R  rollback" not in banner
    assert "rolled back 1:02 ago" in banner


def test_a_closed_window_has_one_thing_to_say() -> None:
    recorder = rec.rolled_back()
    recorder.add(e.PollCalled("p-1", "go?", ("Deployment Lead",)))
    recorder.add(e.WindowClosed("rolled back", "errors"))
    view = seen(recorder)
    assert text(banner_lines(view, 120, rec.NOW)).count("\n") == 0
    assert "recording" not in text(header_lines(view, 160, rec.NOW))


def test_what_a_person_does_is_no_command() -> None:
    view = seen(rec.waiting_for_a_person())
    shown = preview(view.state, "rollback", rec.NOW)
    said = text(preview_lines(replace(shown, refused=""), 90))
    assert "by hand: a person confirms it" in said
    assert "$ a person" not in said
    assert "always" not in said


def test_after_a_rollback_the_release_in_service_is_said_until_the_window_goes_forward() -> None:
    recorder = rec.rolled_back()
    lines = text(banner_lines(seen(recorder), 140, rec.NOW))
    said = "ROLLED BACK: the previous release is in service"
    assert f"✓ {said}  by oncall-1 in 1:02" in lines
    header = text(header_lines(seen(recorder), 160, rec.NOW + 7200))
    assert "behind" not in header
    assert "ROLLED BACK" in header.splitlines()[0]
    recorder.add(e.WentForward("act-1"))
    assert said not in text(banner_lines(seen(recorder), 140, rec.NOW))
    assert "ROLLED BACK" not in text(header_lines(seen(recorder), 160, rec.NOW))


def test_a_rollback_that_was_given_up_looks_like_no_end() -> None:
    recorder = rec.rolling_back(stopped=True)
    recorder.add(e.ActionFinished("act-1", e.Outcome.FAILED, "stopped at R.2: no"))
    lines = text(banner_lines(seen(recorder), 140, rec.NOW))
    assert "✗ ROLLBACK INCOMPLETE: check which release is in service  stopped at R.2: no" in lines
    assert "ROLLBACK INCOMPLETE" in text(header_lines(seen(recorder), 160, rec.NOW))


@pytest.mark.parametrize("width", [30, 60, 80, 160])
@pytest.mark.parametrize(
    "played", ["good_day", "migrated", "tripped", "failed_step", "unsettled", "rolled_back",
               "waiting_for_a_person", "rolling_back", "rehearsal", "opened"],
)  # fmt: skip
def test_the_current_action_and_its_first_key_fit_at_every_width(played: str, width: int) -> None:
    view = seen(getattr(rec, played)())
    found = advice(view.state, rec.NOW, view.seat())
    line = advice_line(view, "Enter", width, rec.NOW)
    assert cell_len(line.text) <= width
    assert found.text[:8] in line.text
    key = {"open": "Enter", "abort": "x", "action:rollback": "R"}[found.ways[0].act]
    assert f" {key} " in line.text


def test_a_tripped_criterion_is_above_the_probes() -> None:
    shown = text(probes_lines(seen(rec.tripped()), 40, rec.NOW)).splitlines()
    assert shown[0].startswith("✗ Error rate exceeds")
    assert "7.3 % > 5 %" in shown[1]


def test_a_failed_step_says_why_under_it() -> None:
    lines = timeline_lines(seen(rec.rolling_back(stopped=True)), 60, rec.NOW)
    assert lines[3].text == "     exit 1: could not connect to server"


def test_as_before_is_said_and_never_green() -> None:
    recorder = rec.good_day()
    sick = ("backend-health failing: 500",)
    run = recorder.step("3.2", 3, outcome=None)
    reason = f"as before: {sick[0]}"
    recorder.add(e.RunEnded(run, e.Outcome.SUCCEEDED, reason, duration_s=3.0), actor="console")
    finished = e.StepFinished("3.2", run, e.Outcome.SUCCEEDED, reason, 3.0, sick)
    recorder.add(finished, actor="console")
    recorder.add(
        e.CriterionJudged("health", e.Verdict.AS_BEFORE, "backend-health failing: 500", rec.NOW),
        actor="console",
    )
    view = seen(recorder)
    step, known = view.state.runbook.step("3.2"), view.state.step("3.2")
    left, right = step_spans(step, known, rec.NOW, False)
    assert "".join(one.text for one in left).strip() == "! 3.2 wait until healthy"
    assert right[0].text.startswith("as before ")
    (why,) = why_lines(view, step, known, 60, rec.NOW)
    assert why.text.strip() == "as before: backend-health failing: 500"
    assert "ok" not in {span.tone for span in (*left, *right, *why.spans)}
    assert "1 as before" in text(header_lines(view, 200, rec.NOW))
    shown = text(probes_lines(view, 60, rec.NOW))
    assert "! Health check failing" in shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (21.6, "22s"), (252, "4m12s"), (3900, "1h05m")]
)
def test_an_estimate_is_short(seconds: float, said: str) -> None:
    assert format_estimate(seconds) == said


def test_the_footer_of_a_small_screen_keeps_the_keys_that_matter() -> None:
    view = seen(rec.good_day())
    small = footer_line(view, "timeline", "step:2.1b", 80).text
    for key in ("enter run", "R rollback", "x abort", "? help", "q leave"):
        assert key in small
    assert "/ filter" in footer_line(view, "logs", "", 80).text
    tiny = footer_line(view, "checklist", "item:plan", 53).text.split("  ")
    assert [one.strip() for one in tiny] == [
        "enter open", "space tick", "x abort", "R rollback", "? help",
    ]  # fmt: skip


def test_the_footer_of_a_wide_screen_has_all_keys() -> None:
    wide = footer_line(seen(rec.good_day()), "timeline", "step:2.1b", 160).text
    for key in ("enter", "n note", "s skip", "x abort", "h hold", "b backup", "m migrate",
                "R rollback", "z zoom", "? help", "q leave", "^p palette"):  # fmt: skip
        assert key in wide


def test_room_that_a_long_wording_left_goes_to_the_others() -> None:
    lamp = Segment((spans("NOT READY: " + "x" * 60), spans("NOT READY: disk"), spans("NOT")), 2)
    who = Segment((spans("operator oncall-1"), spans("oncall-1"), ()), 4)
    assert fit_segments([who, lamp], 40).text == "operator oncall-1  NOT READY: disk"
