"""What is known of databases, as tables: migrations, schemas, judgements, costs."""

from __future__ import annotations

import time

import pytest

from optibid_console.database.locks import session_name, waits_of
from optibid_console.database.measures import Measures, between
from optibid_console.database.migrated import judge, migrated
from optibid_console.database.migrations import Migrations, files_of, migrations_of
from optibid_console.database.records import Records, Row, number
from optibid_console.database.schema import differences, schema_of
from optibid_console.entries import MigrationsRead, Outcome

LISTING = b"file 010_ten.sql\nfile 004_four.sql\ndata 005_five.sql\nfile notes.sql\nodd\n"


@pytest.mark.parametrize(
    ("version", "same"), [("004", "4"), ("4", "4"), ("V4", "4"), ("004_market", "4"), ("x", "x")]
)
def test_a_version_is_its_number(version: str, same: str) -> None:
    assert number(version) == same


def test_files_and_rows_meet_by_their_number() -> None:
    rows = [
        Row("4", "four"),
        Row("5", "", False, "no\nsuch\x1b[2J table"),
        Row("1", "old"),
    ]
    found = migrations_of(rows, files_of(LISTING))
    assert found.applied == ("004_four", "1_old")
    assert found.pending == ("005_five", "010_ten")
    assert found.failed == {"005_five": "no such table"}
    assert found.data_only == ("005_five",)


@pytest.mark.parametrize(
    ("rows", "applied", "pending", "unknown"),
    [
        ([Row("001", "001_b")], ("001_b",), ("001_a", "002_c"), ""),
        ([Row("001", "b")], ("001_b",), ("001_a", "002_c"), ""),
        ([Row("001_a.sql")], ("001_a",), ("001_b", "002_c"), ""),
        ([Row("001", "by hand")], (), ("001_a", "001_b", "002_c"),
         "row 001_by hand of schema_migrations may be 001_a or 001_b"),
        ([Row("001", "by hand"), Row("001_b", "001_b")], ("001_b",), ("001_a", "002_c"), ""),
        ([Row("2", "c", False, "boom", 5.0), Row("002", "002_c", True, "", 9.0)],
         ("002_c",), ("001_a", "001_b"), ""),
        ([Row("2", "c", True, "", 5.0), Row("002", "002_c", False, "boom", 9.0)],
         (), ("001_a", "001_b", "002_c"), ""),
    ],
)  # fmt: skip
def test_files_that_share_a_number_are_told_apart_by_name(
    rows: list[Row], applied: tuple[str, ...], pending: tuple[str, ...], unknown: str
) -> None:
    found = migrations_of(rows, files_of(b"file 001_a.sql\nfile 001_b.sql\nfile 002_c.sql\n"))
    assert (found.applied, found.pending, found.unknown) == (applied, pending, unknown)
    assert found.versions == {"001_a": "001_a", "001_b": "001_b", "002_c": "002"}


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (Records((), 0), ""),
        (Records((), 26),
         "no table schema_migrations, but 26 other tables: what it has isn't recorded"),
        (Records(tables=3),
         "schema_migrations has no row, but 3 other tables: what it has isn't recorded"),
        (Records((), 9, ("alembic_version",)),
         "its migrations are recorded in alembic_version (Alembic), none in schema_migrations"),
        (Records(("id", "hash"), 1),
         "schema_migrations has no column version, but id, hash: it can't be read"),
    ],
)  # fmt: skip
def test_what_a_database_has_and_doesn_t_record_is_unknown(records: Records, said: str) -> None:
    listing = files_of(b"file 001_a.sql\n")
    assert migrations_of([], listing, "", records).unknown == said
    assert migrations_of([], [], "", records).unknown == ""


def test_ten_thousand_migrations_cost_no_second() -> None:
    listing = b"".join(b"file %05d_x.sql\n" % one for one in range(1, 10_001))
    rows = [Row(f"{one:05d}", "x") for one in range(1, 10_000)]
    files = files_of(listing)
    began = time.process_time()
    assert migrations_of(rows, files).pending == ("10000_x",)
    assert time.process_time() - began < 1.0


BEFORE = MigrationsRead("main", "before", ("003_c",), ("004_d", "005_e"))
WELL, BAD = Outcome.SUCCEEDED, Outcome.FAILED


@pytest.mark.parametrize(
    ("after", "changes", "run", "expected"),
    [
        (Migrations(("003_c",), ("004_d", "005_e")), (), WELL,
         (BAD, "exit 0, but nothing was applied: 004_d, 005_e are still pending")),
        (Migrations(("003_c", "004_d"), ("005_e",)), ("+ table d",), WELL,
         (BAD, "exit 0, but 004_d applied; 005_e not applied; 1 schema change (+ table d)")),
        (Migrations(("003_c", "004_d", "005_e")), ("+ table d", "+ table e"), WELL,
         (WELL, "004_d, 005_e applied; 2 schema changes")),
        (Migrations(("003_c", "004_d", "005_e")), (), WELL,
         (BAD, "exit 0, and schema_migrations says 004_d, 005_e were applied, but the schema is as "
               "before (a file that changes data alone says so: `-- data-only`)")),
        (Migrations(("003_c", "004_d", "005_e"), data_only=("004_d", "005_e")), (), WELL,
         (WELL, "004_d, 005_e applied; the schema is as before")),
        (Migrations(("003_c",), ("004_d", "005_e"), {"004_d": "boom"}), (), WELL,
         (BAD, "exit 0, but nothing was applied; 004_d failed: boom; 005_e not applied; the schema "
               "is as before")),
        (Migrations(("003_c", "004_d", "005_e")), ("+ table d",), Outcome.TIMED_OUT,
         (Outcome.TIMED_OUT, "exit 0; 004_d, 005_e applied; 1 schema change")),
        (Migrations(("003_c",)), (), WELL,
         (BAD, "exit 0, but nothing was applied: 004_d, 005_e are still pending")),
    ],
)  # fmt: skip
def test_a_migration_is_judged_by_what_the_database_says(
    after: Migrations, changes: tuple[str, ...], run: Outcome, expected: tuple[Outcome, str]
) -> None:
    assert judge(migrated(BEFORE, after, changes), run, "exit 0") == expected


def test_two_schemas_are_compared_by_name() -> None:
    before = schema_of([("table bids", "owner a"), ("index i", "x"), ("column bids.p", "int")])
    after = schema_of([("column bids.p", "bigint"), ("table bids", "owner a"), ("view v", "md5 1")])
    assert differences(before, after) == (
        "~ column bids.p: int → bigint", "- index i x", "+ view v md5 1"
    )  # fmt: skip
    again = schema_of([("view v", "md5 1"), ("table bids", "owner a"), ("column bids.p", "bigint")])
    assert differences(after, again) == ()


def test_what_lies_between_two_moments() -> None:
    before = Measures(0.0, 100, 5000, {"bids": (10, 2, 0), "gone": (1, 0, 0), "same": (3, 0, 0)})
    after = Measures(9.0, 130, 9000, {"bids": (15, 2, 1), "new": (4, 0, 0), "same": (3, 0, 0)})
    found = between(before, after)
    assert (found.transactions, found.wal_bytes, found.restarted) == (30, 4000, False)
    assert found.rows == {"bids": (5, 0, 1), "new": (4, 0, 0)}
    crashed = between(before, Measures(9.0, 130, 9000, {"bids": (1, 0, 0)}))
    assert crashed.restarted
    assert crashed.rows == {"bids": (1, 0, 0)}


def test_a_wait_names_all_who_block_it() -> None:
    row = (7, "app", "migrate w-2m-1", "ALTER TABLE\n bids", 6.2)
    rows = [(*row, 8, "ann", "", "", 60.0), (*row, 9, "bob", "psql", "\x1b[31mLOCK", 3.0)]
    (wait,) = waits_of(rows)
    assert wait.words == (
        "pid 7 (app, migrate w-2m-1): ALTER TABLE bids waits 6 s for pid 8 (ann): idle; "
        "pid 9 (bob, psql): LOCK"
    )
    assert session_name("w" * 80) == "migrate " + "w" * 50
