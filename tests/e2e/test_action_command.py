"""`action`: what a key does, without a screen, on a real engine; each of its exit statuses."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

from optibid_console import engine_record
from tests.e2e.actions import RUNBOOK, Actions, objects
from tests.e2e.conftest import Home
from tests.home import until


@pytest.fixture
def actions(home: Home) -> Actions:
    home.config.write_text(RUNBOOK)
    return Actions(home)


def test_without_the_word_it_shows_the_plan_and_does_nothing(actions: Actions) -> None:
    ended = actions.run("backup")
    assert ended.returncode == 3
    for part in ("Why now", "What will happen", "1. 1.1 Make a backup on local", "echo launched",
                 "What it costs", "a little disk", "How long", "about 0:10",
                 "What is not ready", "no engine runs this window"):  # fmt: skip
        assert part in ended.stdout
    assert ended.stderr == "type --confirm backup to do it\n"
    wrong = actions.run("backup", "--confirm", "rollback", "--json")
    assert wrong.returncode == 3
    assert objects(wrong.stdout)[-1]["result"]["said"] == "type --confirm backup to do it"
    assert not actions.home.journal.exists()
    assert not engine_record.running()


def test_it_does_the_action_and_ends_the_engine_that_it_started(actions: Actions) -> None:
    actions.home.go()
    ended = actions.run("backup", "--confirm", "backup")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(r"… 1\.1 Make a backup on local\n", ended.stdout)
    assert "  1.1 | here\n" in ended.stdout
    assert re.search(
        r"✓ 1\.1 succeeded 0:0\d: exit 0\nbackup succeeded after 0:0\d\n$", ended.stdout
    )
    assert not engine_record.running()
    until(actions.home.nothing_is_left)
    again = actions.run("backup", "--confirm", "backup")
    assert again.returncode == 3
    assert "there is nothing to do: done already" in again.stderr


def test_an_action_prints_the_output_of_no_earlier_run(actions: Actions) -> None:
    actions.home.go()
    assert actions.run("backup", "--confirm", "backup").returncode == 0
    looked = actions.run("look", "--confirm", "look")
    assert looked.returncode == 0
    assert "1.2 | looked\n" in looked.stdout
    assert "1.1 |" not in looked.stdout


def test_for_machines_each_line_is_an_object_and_the_last_is_the_result(actions: Actions) -> None:
    actions.home.go()
    told = objects(actions.run("backup", "--confirm", "backup", "--json").stdout)
    kinds = [one["entry"]["kind"] for one in told if "entry" in one]
    assert [one for one in kinds if one.startswith(("action-", "step-"))] == [
        "action-started", "step-started", "step-finished", "action-finished",
    ]  # fmt: skip
    assert "".join(one["output"]["text"] for one in told if "output" in one) == "here\n"
    assert told[-1]["result"]["exit_status"] == 0


def test_a_second_process_attaches_and_nothing_starts_again(actions: Actions) -> None:
    first = actions.backup_under_way()
    second = actions.start("backup", "--confirm", "backup", "--json")
    assert json.loads(actions.attached(second))["following"]["attached"]
    actions.home.go()
    status, out = actions.rest(second)
    assert status == 0
    kinds = [one["entry"]["kind"] for one in objects(out) if "entry" in one]
    assert {"action-started", "step-started", "action-finished"} <= set(kinds)
    status, out, _ = actions.ended(first)
    assert status == 0
    assert out.startswith("started backup1 of Little window v1: 1.1\n")
    assert actions.home.launches() == 1


def test_killed_with_its_engine_it_comes_back_to_the_same_run(actions: Actions) -> None:
    first = actions.backup_under_way()
    first.kill()
    os.kill(actions.home.engine().pid, signal.SIGKILL)
    second = actions.start("backup")
    assert actions.attached(second).startswith("attached to backup1")
    actions.home.go()
    status, out = actions.rest(second)
    assert status == 0
    assert "backup succeeded" in out
    assert actions.home.launches() == 1
    until(actions.home.nothing_is_left)


def test_a_killed_engine_is_started_again_while_it_is_followed(actions: Actions) -> None:
    first = actions.backup_under_way()
    os.kill(actions.home.engine().pid, signal.SIGKILL)
    until(lambda: len(actions.home.entries("engine-started")) == 2)
    actions.home.go()
    assert actions.ended(first)[0] == 0
    assert actions.home.launches() == 1


def test_who_drives_is_named_and_can_be_taken_over_from(actions: Actions) -> None:
    screen = actions.home.terminal("run", "--journal", str(actions.home.journal), "--as", "ann")
    screen.until("Little window", "Make a backup", "recording")
    refused = actions.run("look", "--confirm", "look", "--as", "bob")
    assert refused.returncode == 3
    assert re.match(r"ann drives this window, for 0:\d\d: .*--take-over", refused.stderr)
    ended = actions.run("look", "--confirm", "look", "--as", "bob", "--take-over", "she sleeps")
    assert ended.returncode == 0
    assert actions.home.entries("operator-took")[-1].fact.reason == "she sleeps"
    assert engine_record.find(actions.home.journal)  # ann's screen is still there


def test_what_is_under_way_stands_in_the_way_of_another(actions: Actions) -> None:
    actions.backup_under_way()
    ended = actions.run("look", "--confirm", "look")
    assert ended.returncode == 3
    assert ended.stderr == "look can't be started: backup is under way\n"


def test_a_failed_step_stops_it_and_each_way_on_is_a_later_call(actions: Actions) -> None:
    (actions.home.path / "blind").touch()
    ended = actions.run("look", "--confirm", "look")
    assert ended.returncode == 1
    assert "look stopped at 1.2: failed: exit 1: looked\n" in ended.stderr
    for choice in ("retry", "skip", "stop"):
        assert f"--journal {actions.home.journal} --decide {choice}" in ended.stderr
    assert engine_record.find(actions.home.journal)
    looked = actions.run("look")  # attaches, and finds it as it was
    assert (looked.returncode, "--decide skip" in looked.stderr) == (1, True)
    unsaid = actions.run("look", "--decide", "skip")
    assert (unsaid.returncode, unsaid.stderr) == (3, "skipping needs a reason\n")
    assert actions.run("look", "--decide", "retry").returncode == 1
    stopped = actions.run("look", "--decide", "stop", "--reason", "nothing to see")
    assert stopped.returncode == 1
    assert "look failed after" in stopped.stderr
    assert "nothing to see" in stopped.stderr
    assert actions.run("look", "--decide", "retry").returncode == 3
    (again,) = actions.home.entries("action-started")[-1:]
    assert again.fact.action_run == "look1"


def test_skipped_it_goes_on_and_a_required_step_is_not(actions: Actions) -> None:
    for name in ("blind", "broken"):
        (actions.home.path / name).touch()
    actions.home.go()
    assert "can't skip   1.1 is required" in actions.run("backup", "--confirm", "backup").stderr
    refused = actions.run("backup", "--decide", "skip", "--reason", "why not")
    assert (refused.returncode, refused.stderr) == (3, "1.1 is required: it can't be skipped\n")
    (actions.home.path / "broken").unlink()
    assert actions.run("backup", "--decide", "retry").returncode == 0
    assert actions.run("look", "--confirm", "look").returncode == 1
    skipped = actions.run("look", "--decide", "skip", "--reason", "it is dark")
    assert skipped.returncode == 0
    assert "⊘ 1.2 skipped by" in skipped.stdout


def test_what_a_person_does_is_waited_for_and_said_to_be_done(actions: Actions) -> None:
    waits = actions.run("tell", "--confirm", "tell")
    assert waits.returncode == 4
    assert "tell waits for a person: t1 Call her: her number is on the wall\n" in waits.stderr
    done = actions.run("tell", "--decide", "done", "--reason", "she comes")
    assert done.returncode == 0
    assert "she comes" in actions.home.entries("step-finished")[-1].fact.reason


def test_rolling_back_with_nothing_done_does_nothing_and_says_so(actions: Actions) -> None:
    ended = actions.run("rollback", "--confirm", "rollback")
    assert ended.returncode == 3
    assert "there is nothing to do: nothing was done in this window" in ended.stderr
    assert not actions.home.journal.exists()


def test_a_rollback_that_cannot_be_done_is_refused_with_the_words_that_begin_it(
    actions: Actions,
) -> None:
    home = actions.home
    lamp = '[probes.fine]\nkind = "command"\ntitle = "all is fine"\nrun = "test -e fine"\n\n'
    text = home.config.read_text().replace("[[phases]]", f"{lamp}[[phases]]", 1)
    text = text.replace('title = "Rollback"\n', 'title = "Rollback"\nready_when = ["fine"]\n')
    home.config.write_text(text)
    home.go()
    assert actions.run("backup", "--confirm", "backup").returncode == 0
    refused = actions.run("rollback", "--confirm", "rollback")
    assert refused.returncode == 3
    assert "checking: can everything be done? …\n" in refused.stderr
    assert "not started: it can't be done as it is: all is fine: exit" in refused.stderr
    assert refused.stderr.rstrip().endswith("--confirm 'rollback anyway'")
    assert home.launches() == 1, "R1 would have removed the file"
    assert not [one for one in home.entries("action-started") if one.fact.action_id == "rollback"]
    done = actions.run("rollback", "--confirm", "rollback anyway")
    assert done.returncode == 0, done.stderr
    assert home.launches() == 0
    (started,) = [
        one.fact for one in home.entries("action-started") if one.fact.action_id == "rollback"
    ]
    assert len(started.not_ready) == 1
    assert started.not_ready[0].startswith("all is fine: ")


def test_interrupted_it_leaves_the_action_running_and_says_so(actions: Actions) -> None:
    first = actions.backup_under_way()
    until(lambda: actions.home.entries("run-launched"))
    first.send_signal(signal.SIGINT)
    status, _, err = actions.ended(first)
    assert status == 130
    assert err.startswith("interrupted: backup goes on; this comes back to it\n")
    actions.home.go()
    until(lambda: actions.home.entries("action-finished"))
    assert actions.home.launches() == 1


def test_an_engine_that_is_told_to_end_leaves_the_outcome_unknown(actions: Actions) -> None:
    first = actions.backup_under_way()
    until(lambda: actions.home.entries("run-launched"))
    os.kill(actions.home.engine().pid, signal.SIGTERM)
    status, _, err = actions.ended(first)
    assert status == 4
    assert "the engine ended: told to end (SIGTERM)" in err
    actions.home.go()
    assert actions.run("backup").returncode == 0
    assert actions.home.launches() == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("fly",), 'no action "fly"; actions are backup, look, tell, rollback'),
        (("backup", "--t0", "soon", "--confirm", "backup"), "can't read T-0"),
        (("backup", "-c", "none.toml"), "none.toml"),
        (("backup", "--decide", "panic"), "invalid choice"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    actions: Actions, line: tuple[str, ...], said: str
) -> None:
    ended = actions.run(*line)
    assert (ended.returncode, said in ended.stderr) == (2, True)
    assert not actions.home.journal.exists()
