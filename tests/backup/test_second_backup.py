"""A second backup in one window: offered, made beside the first, and the one that is restored."""

from __future__ import annotations

from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.again import earlier_backups
from optibid_console.engine import database_watch
from optibid_console.plan import Preview, preview
from optibid_console.state import StepStatus, WindowState
from tests.backup.conftest import STAMP, WITHIN_S, Place
from tests.engine.bench import Bench

pytestmark = pytest.mark.server("postgres")

CONFIGURATION = """
[[phases.steps]]
id = "1.1"
title = "Back up the configuration"
on = "local"
run = '''
set -eu
test ! -e broken
mkdir -p backups
file=$PWD/backups/config_${window.stamp}.txt
n=1
while [ -e "$file" ]; do n=$((n + 1)) file=$PWD/backups/config_${window.stamp}_$n.txt; done
echo "$n" >"$file"
echo "$file"
'''
record = "backup.config"
artifact = "files"
again = true
timeout = "20s"
"""
ACTIONS = """
[[phases.steps]]
id = "1.3"
title = "Deploy"
on = "local"
run = "true"

[[actions]]
id = "backup"
title = "Back up"
key = "b"
uses = ["1.1", "1.2a", "1.2b"]

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"

[[actions.steps]]
id = "R1"
title = "Go back"
kind = "restore"
database = "optibid"
undoes = ["1.3"]
"""


async def backed_up(bench: Bench, words: str) -> WindowState:
    """The state after the action ended, or stopped."""
    known = len(bench.state.actions)
    reply = await bench.do(c.StartAction("backup", words))
    assert isinstance(reply, c.Accepted), reply
    return await bench.until(
        lambda state: (
            len(state.actions) > known
            and ((action := state.action()) is None or action.stopped_at_step)
        ),
        WITHIN_S,
    )


async def measured(bench: Bench) -> Preview:
    state = await bench.until(
        lambda state: (known := state.databases.get("optibid")) and known.cost and known.cost.rows,
        WITHIN_S,
    )
    return preview(state, "backup", state.at)


async def test_a_second_one_is_made_beside_the_first_and_is_the_one_that_is_restored(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_watch, "EVERY_S", 0.3)
    place.first, place.after = CONFIGURATION, ACTIONS
    async with place.engine() as bench:
        first = (await backed_up(bench, "backup")).artifacts["optibid"].recorded
        assert preview(bench.state, "rollback", bench.state.at).confirm == "rollback"
        content = Path(first.path).read_bytes()
        place.server.execute("INSERT INTO bids VALUES (-1, 'late', 1)", place.dbname)
        shown = await measured(bench)
        assert shown.confirm == "backup again"
        assert [(one.step_id, one.included) for one in shown.steps] == [
            ("1.1", True), ("1.2a", True), ("1.2b", False)
        ]  # fmt: skip
        assert shown.steps[1].because.startswith("again: done at ")
        config, lost, stays = shown.costs
        assert config == f"{place.backups}/config_{STAMP}.txt stays beside the new one"
        assert lost.startswith("optibid: rollback would go back 0:")
        assert " transaction" in lost
        assert lost.endswith(" of WAL")
        assert stays == f"{first.path} stays beside the new one"
        assert await bench.do(c.StartAction("backup", "backup")) == c.Refused(
            "type 'backup again' to confirm it"
        )
        state = await backed_up(bench, "backup again")
        second = state.artifacts["optibid"].recorded
        assert second.path == f"{place.backups}/optibid_{STAMP}_2.dump"
        assert state.facts["backup.path"] == second.path
        assert state.facts["backup.config"] == f"{place.backups}/config_{STAMP}_2.txt"
        assert Path(first.path).read_bytes() == content
        assert (place.backups / f"config_{STAMP}.txt").read_text() == "1\n"
        assert [one.recorded.path for one in state.earlier_artifacts] == [
            f"{place.backups}/config_{STAMP}.txt", first.path
        ]  # fmt: skip
        await _a_third_that_fails(bench, place, second)
        await _the_first_is_chosen_and_the_second_again(bench, first, second)
        await bench.step("1.3")
        shown = preview(bench.state, "rollback", bench.state.at)
        said = next(one for one in shown.costs if one.startswith("the newest of"))
        assert said.startswith(f"the newest of 2 verified backups is restored: {second.path} of ")
        assert f"not used: {first.path} of " in said
        place.server.execute("DELETE FROM bids", place.dbname)
        refused = await bench.do(c.StartAction("backup", "backup"))
        assert refused == c.Refused(
            "there is nothing to do: it is done, and 1.3 was begun since: a backup made now would "
            "not be of what rollback goes back to"
        )
        assert isinstance(await bench.do(c.StartAction("rollback", "rollback")), c.Accepted)
        state = await bench.until(lambda state: state.rollback_run, WITHIN_S)
        (restored,) = bench.heard.of(e.DatabaseRestored)
        assert restored.path == second.path
        assert place.server.execute("SELECT note FROM bids WHERE id = -1", place.dbname) == [
            ("late",)
        ]
        place.server.execute(f'DROP DATABASE "{restored.kept_as}" WITH (FORCE)')


async def _a_third_that_fails(bench: Bench, place: Place, second: e.ArtifactRecorded) -> None:
    (place.room / "broken").touch()
    state = await backed_up(bench, "backup again")
    action = state.action()
    assert action is not None
    assert action.stopped_at_step == "1.1"
    await bench.do(c.Decide(action.action_run, e.Choice.STOP, "enough"))
    state = await bench.until(lambda state: state.action() is None)
    assert state.step("1.1").status is state.step("1.2a").status is StepStatus.DONE
    assert "; once more: exit 1" in state.step("1.1").reason
    assert state.step("1.2a").reason.endswith("; once more: not tried; what it made before stays")
    assert state.artifacts["optibid"].recorded.path == second.path
    assert state.facts["backup.path"] == second.path


async def _the_first_is_chosen_and_the_second_again(
    bench: Bench, first: e.ArtifactRecorded, second: e.ArtifactRecorded
) -> None:
    for chosen, other in ((first, second), (second, first)):
        choose = c.ChooseBackup("optibid", chosen.path, "it is of before the bad import")
        reply = await bench.do(choose)
        assert isinstance(reply, c.Accepted), reply
        state = bench.state
        assert state.artifacts["optibid"].recorded == chosen
        assert state.databases["optibid"].backup_run == chosen.run_id
        for prefix in ("backup", "backup.optibid"):
            assert state.facts[f"{prefix}.path"] == chosen.path
            assert state.facts[f"{prefix}.sha256"] == chosen.sha256
        assert [one.recorded for one in earlier_backups(state, "optibid")] == [other]
        refused = await bench.do(choose)
        assert refused == c.Refused(f"{chosen.path} is the one that rollback restores already")
    no = await bench.do(c.ChooseBackup("optibid", "/etc/passwd", "why"))
    assert no == c.Refused("this window has no verified backup /etc/passwd of optibid")
