"""Backups of a real database: what is made, verified, recorded and kept."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from optibid_console import entries as e
from optibid_console.engine import engine
from optibid_console.runbook import backup_shell
from optibid_console.signals import Progress
from tests.backup.conftest import STAMP, Place, begun, ended

pytestmark = pytest.mark.server("postgres")

EXPECTED = """
tables = ["bids", "public.odd one", "market.prices"]
rows = { bids = 3000, "odd one" = 3 }
"""


def artifact(heard: Any) -> e.ArtifactRecorded:
    (recorded,) = heard.of(e.ArtifactRecorded)
    assert isinstance(recorded, e.ArtifactRecorded)
    return recorded


async def test_a_backup_is_read_back_and_recorded_with_its_moment(place: Place) -> None:
    place.database = EXPECTED
    (before,) = place.server.execute("SELECT pg_current_wal_lsn(), now()")
    async with place.engine() as bench:
        await begun(bench)
        step = (await ended(bench)).step("1.2a")
        assert step.outcome is e.Outcome.SUCCEEDED, step.reason
        state, heard = await bench.step("1.2b"), bench.heard
    made = artifact(heard)
    file = Path(made.path)
    used = state.runs[state.step("1.2b").run_id].ended
    assert used is not None
    assert used.last_lines == (made.path, made.sha256, str(made.size_bytes))
    assert place.kept() == [f"optibid_{STAMP}.dump", f"optibid_{STAMP}.dump.sha256"]
    assert file == place.backups / f"optibid_{STAMP}.dump"
    assert made.size_bytes == file.stat().st_size
    assert made.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.stat().st_mode & 0o077 == 0
    assert made.checks[0] == "pg_restore reads all of it: 3003 rows of 3 tables"
    assert len(made.checks) == 3
    assert made.checks[0] in step.reason
    version, lsn = made.details["server_version"], made.details["wal_lsn"]
    assert version.startswith(("15", "16", "17"))
    (after,) = place.server.execute(
        f"SELECT '{before[0]}'::pg_lsn <= '{lsn}'::pg_lsn AND "
        f"'{lsn}'::pg_lsn <= pg_current_wal_lsn() AND "
        f"'{made.details['taken_at']}' BETWEEN '{before[1]}'::timestamptz - '1 s'::interval "
        "AND now()"
    )
    assert after == (True,)
    assert int(made.details["transactions"]) > 0
    assert state.artifacts["optibid"].by == "oncall-1"
    assert state.facts["backup.path"] == made.path
    assert state.facts["backup.sha256"] == made.sha256
    assert state.facts["backup.size"] == str(made.size_bytes)
    assert place.server.password not in repr(heard.entries)
    checked = subprocess.run(
        ["sha256sum", "--check", f"{file.name}.sha256"], cwd=place.backups, check=False
    )
    assert checked.returncode == 0


async def test_progress_is_told_while_it_is_made_and_is_no_output(
    place: Place, wrapped: Any
) -> None:
    wrapped("pg_dump", 'case $1 in --version) ;; *) sleep 0.2 ;; esac\n"$real" "$@" && sleep 1.3')
    async with place.engine() as bench:
        await begun(bench)
        state = await ended(bench)
        told = bench.heard.of(Progress)
        assert [one.note for one in told][:1] == ["0 of 3 tables"]
        assert any(
            re.fullmatch(r"3 of 3 tables: (public\.bids|public\.odd one|market\.prices)", one.note)
            for one in told
        )
        assert told[-1].note == "reading it back"
        assert told[-1].done == told[-1].total == state.artifacts["optibid"].recorded.size_bytes
        said = state.runs[state.last_run].ended
        assert said is not None
        assert not any('"progress"' in line for line in said.last_lines)
        assert said.last_lines[-1].endswith(f"/optibid_{STAMP}.dump")


async def test_a_backup_in_directory_format_by_several_jobs_over_ssh(ssh_place: Place) -> None:
    ssh_place.database = 'format = "directory"\njobs = 2\ntry_restore = true' + EXPECTED
    step, _, heard = await ssh_place.backed_up()
    assert step.outcome is e.Outcome.SUCCEEDED, step.reason
    made = artifact(heard)
    directory = Path(made.path)
    assert made.target == "db-1"
    assert made.size_bytes == sum(one.stat().st_size for one in directory.iterdir())
    sums = Path(f"{made.path}.sha256")
    assert made.sha256 == hashlib.sha256(sums.read_bytes()).hexdigest()
    check = ["sha256sum", "--check", "--quiet", sums.name]
    assert subprocess.run(check, cwd=ssh_place.backups, check=False).returncode == 0
    assert made.checks[-1] == (
        "restored into a scratch database: 3 tables have the same rows and checksums"
    )
    assert databases(ssh_place) == [(ssh_place.dbname,), ("postgres",)]


def databases(place: Place) -> list[tuple[Any, ...]]:
    return place.server.execute(
        f"SELECT datname FROM pg_database WHERE datname LIKE '{place.dbname[:2]}%' "
        "OR datname = 'postgres' ORDER BY 1"
    )


async def test_old_backups_go_by_count_and_age_and_never_those_of_an_open_window(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "open_windows", lambda: {"20250115_000000-00ff"})
    place.database = 'keep = 2\nkeep_for = "10d"'
    place.backups.mkdir()
    months_ago = time.time() - 90 * 86400
    for name, age in (
        ("optibid_20250101_000000.dump", months_ago),
        ("optibid_20250101_000000.dump.sha256", months_ago),
        ("optibid_20250115_000000.dump", months_ago),
        ("optibid_20250115_000000_2.dump", months_ago),
        ("optibid_20250201_000000.dump", months_ago),
        ("optibid_20250301_000000.dump", time.time()),
        (f"optibid_{STAMP}_0.dump", months_ago),
        ("other_20250101_000000.dump", months_ago),
        ("optibid_20250101_000000.dump.bad", months_ago),
        ("optibid_20250201_000000.dump.bad", time.time()),
        ("optibid_20250101_000000.dump.part", months_ago),
        ("optibid_20250201_000000.dump.part", time.time()),
        (f"optibid_{STAMP}.dump.part", time.time()),
    ):
        (place.backups / name).write_text("x" * 100)
        os.utime(place.backups / name, (age, age))
    step, _, _ = await place.backed_up()
    assert step.outcome is e.Outcome.SUCCEEDED, step.reason
    assert place.kept() == [
        "optibid_20250115_000000.dump",
        "optibid_20250115_000000_2.dump",
        "optibid_20250201_000000.dump.bad",
        "optibid_20250201_000000.dump.part",
        "optibid_20250301_000000.dump",
        f"optibid_{STAMP}.dump",
        f"optibid_{STAMP}.dump.sha256",
        f"optibid_{STAMP}_0.dump",
        "other_20250101_000000.dump",
    ]


PARTITIONED = """
CREATE TABLE ticks (id int, day int, note text) PARTITION BY RANGE (day);
CREATE TABLE ticks_1 PARTITION OF ticks FOR VALUES FROM (0) TO (10);
CREATE TABLE market.ticks_2 PARTITION OF ticks FOR VALUES FROM (10) TO (20)
    PARTITION BY RANGE (id);
CREATE TABLE market."ticks 2a" PARTITION OF market.ticks_2 FOR VALUES FROM (0) TO (1000);
INSERT INTO ticks SELECT g, g % 20, 'x' FROM generate_series(1, 100) g;
CREATE TABLE bare (id int) PARTITION BY LIST (id);
CREATE TABLE older (id int);
CREATE TABLE younger (more int) INHERITS (older);
INSERT INTO older VALUES (1);
INSERT INTO younger VALUES (2, 2), (3, 3);
"""


@pytest.mark.parametrize("form", ["custom", "directory"])
async def test_the_rows_of_a_partitioned_table_are_those_of_its_partitions(
    place: Place, form: str
) -> None:
    place.server.execute(PARTITIONED, place.dbname)
    place.database = f'format = "{form}"\n' + (
        'tables = ["ticks", "market.ticks_2", "public.ticks_1", "older"]\n'
        'rows = { ticks = 100, "market.ticks_2" = 50, "ticks 2a" = 50, older = 3 }'
    )
    step, _, heard = await place.backed_up()
    assert step.outcome is e.Outcome.SUCCEEDED, step.reason
    assert artifact(heard).checks[0] == "pg_restore reads all of it: 3106 rows of 7 tables"


async def test_a_partitioned_table_with_too_few_rows_or_none_at_all_is_no_backup(
    place: Place,
) -> None:
    place.server.execute(PARTITIONED, place.dbname)
    place.database = 'rows = { ticks = 101, "public.older" = 4 }'
    step, _, _ = await place.backed_up()
    assert step.outcome is e.Outcome.FAILED
    assert "in the dump, ticks has 100 rows, expected at least 101" in step.reason
    assert "public.older has 3 rows, expected at least 4" in step.reason


async def test_a_partitioned_table_without_a_partition_has_no_data(place: Place) -> None:
    place.server.execute(PARTITIONED, place.dbname)
    place.database = 'tables = ["bare", "ticks"]'
    step, _, _ = await place.backed_up()
    assert step.outcome is e.Outcome.FAILED
    assert "the dump has no data of bare;" in step.reason


async def test_every_shell_reads_the_command_and_overwrites_no_backup(place: Place) -> None:
    async with place.engine() as bench:
        runbook = bench.state.runbook
        assert runbook is not None
        step = runbook.step("1.2a")
        assert step is not None
    text = step.run.replace("${window.stamp}", STAMP)
    env = {"PATH": os.environ["PATH"], "DB_PASSWORD": place.server.password}
    for number, shell in enumerate(("dash", "bash", "busybox ash")):
        done = subprocess.run(
            [*shell.split(), "-c", text], env=env, cwd=place.room, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), shell
        assert '"artifact": {"name": "optibid"' in done.stdout
        assert len(place.kept()) == 2 * (number + 1)
    assert place.kept()[2] == f"optibid_{STAMP}_2.dump"


@pytest.mark.parametrize(
    ("given", "said"),
    [("1 row", "1 row"), ("3 row", "3 rows"), ('1 "table has" "tables have"', "1 table has"),
     ('2 "table has" "tables have"', "2 tables have")],
)  # fmt: skip
def test_what_a_backup_says_of_counts(given: str, said: str) -> None:
    helper = next(
        line for line in backup_shell.VERIFYING.splitlines() if line.startswith("counted()")
    )
    text = f"{helper}\ncounted {given}"
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == said
