"""`rehearse`: a whole window walked by one command, with what it finds and its exit status."""

from __future__ import annotations

import os

import pytest

from optibid_console import engine_record
from optibid_console.journal.file import entries_of, is_closed, is_rehearsal
from optibid_console.state import fold
from tests.e2e.actions import objects
from tests.e2e.conftest import Home
from tests.home import until

WHOLE = """
[window]
name = "Little window"
version = "v1"
stack = "directory"

[probes.door]
kind = "command"
run = "test -e door"

[probes.odd]
kind = "command"
run = "cat ${{backup.path}}"

[[phases]]
id = "one"
title = "First phase"
at = "T-5m"
gate = {{ criteria = "all" }}

[[phases.steps]]
id = "1.1"
title = "Make a backup"
on = "local"
run = "echo launched >>launches; echo here"
record = "backup.path"

[[phases.steps]]
id = "1.2"
title = "Look around"
on = "local"
run = "{look}"
read_only = true

[[phases]]
id = "two"
title = "Second phase"
at = "T+0"

[[phases.steps]]
id = "2.1"
title = "Open the door"
on = "local"
run = "touch door; echo ${{backup.path}}"
evidence = ["door", "odd"]

[[phases.steps]]
id = "2.2"
title = "Somebody looks"
kind = "manual"

[[phases.steps]]
id = "2.3"
title = "It is open"
kind = "wait"
wait_for = ["door"]

[[actions]]
id = "backup"
title = "Backup"
uses = ["1.1", "1.2"]
confirm = "back it up"

[[actions]]
id = "knock"
title = "Knock"

[[actions.steps]]
id = "k1"
title = "Knock"
on = "local"
run = "touch knocked"

[[actions]]
id = "rollback"
title = "Rollback"

[[actions.steps]]
id = "R1"
title = "Close it"
on = "local"
run = "rm -f door launches"
undoes = ["2.1"]

[[actions.steps]]
id = "R2"
title = "See what is there"
on = "local"
run = "echo seen; ls config.toml"
read_only = true

[[criteria]]
id = "open"
title = "It is open"
fail_when = "probe.door is failing"
"""


@pytest.fixture
def little(home: Home) -> Home:
    home.config.write_text(WHOLE.format(look="echo looked; test -e config.toml"))
    return home


def test_every_step_and_every_action_is_walked_and_nothing_is_changed(little: Home) -> None:
    ended = little.run("rehearse", "-c", "config.toml")
    assert (ended.returncode, ended.stderr) == (0, "")
    said = ended.stdout
    assert "↷ 1.1 rehearsed 0:00: rehearsed: it isn't marked read-only" in said
    assert "  1.2 | looked\n" in said
    assert "  R2 | config.toml\n" in said
    assert "\n6 steps walked, 2 reads done\nfindings: none\n" in said
    assert "  ! probe door: failing: exit 1, expected 0\n" in said
    assert "probe odd" not in said, "it needs what only a real window records"
    assert "\nbackup: 1.1, 1.2\n" in f"\n{said}"
    assert "  measured: 1.2 0:00\n" in said
    assert "\nthe rollback would take about 0:1" in said
    assert "R2 measured in this window; R1 not measured, as the runbook expects" in said
    assert not {"door", "knocked", "launches"} & set(os.listdir(little.path))
    (kept,) = (little.state / "rehearsals").glob("*.journal")
    assert f"recorded in {kept}\n" in said
    assert is_rehearsal(kept)
    state = fold(entries_of(kept))
    assert state.closed is not None
    assert [one.action_id for one in state.actions.values()] == ["backup", "rollback", "knock"]
    assert not engine_record.running()
    until(little.nothing_is_left)
    again = little.run("rehearse", "--json")
    assert again.returncode == 0, again.stdout[-600:]
    assert objects(again.stdout)[-1]["rehearsal"]["walked"] == 6
    assert len(list((little.state / "rehearsals").glob("*.journal"))) == 2


def test_what_would_go_wrong_is_found_and_walked_past(home: Home) -> None:
    text = WHOLE.format(look="echo no such thing; exit 3")
    text = text.replace('run = "test -e door"', 'run = "test -e door"\non = "far"')
    text = text.replace('run = "touch knocked"', 'run = "touch ${release.dir}"')
    text += """
[[actions.steps]]
id = "R3"
title = "Name it"
on = "local"
run = "echo name"
record = "release.dir"

[targets.far]
kind = "ssh"
host = "127.0.0.1"
port = 1
"""
    home.config.write_text(text)
    ended = home.run("rehearse", "--json")
    assert ended.returncode == 1, ended.stdout[-900:]
    found = objects(ended.stdout)[-1]["rehearsal"]
    wrong = {one["about"]: one["what"] for one in found["wrong"]}
    assert wrong["1.2"] == "failed: exit 3: no such thing"
    assert wrong["k1"] == "it needs release.dir, which no step before it records"
    assert wrong["probe door"].startswith("error: ")
    assert set(wrong) == {"1.2", "k1", "probe door"}
    assert is_closed(home.path / found["journal"])
    assert found["walked"] == 7


def test_a_real_windows_journal_is_not_walked(little: Home) -> None:
    little.go()
    journal = str(little.journal)
    little.run("action", "knock", "--confirm", "knock", "--journal", journal)
    ended = little.run("rehearse", "--journal", journal)
    assert ended.returncode == 3
    assert "this journal is a real window's" in ended.stderr


def test_a_runbook_that_cannot_be_read_is_bad_input(home: Home) -> None:
    home.config.write_text("[window]\n")
    ended = home.run("rehearse")
    assert ended.returncode == 2
    assert "config.toml:1" in ended.stderr
