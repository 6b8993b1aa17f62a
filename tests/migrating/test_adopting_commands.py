"""What `check`, `rehearse` and `adopt` say of a database that has migrations and no record."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.home import own_home
from tests.migrating.conftest import SECRET, Window

pytestmark = pytest.mark.server("postgres")

SHARED = (
    "2 files have the number 001: 001_fix_audit_action_enum, 001_initial_schema; each is recorded "
    "by its name, and applied in this order"
)
UNRECORDED = (
    "optibid: no table schema_migrations, but 2 other tables: what it has isn't recorded; adopt "
    "those that it has: optibid-console adopt optibid NAME …"
)


def run(window: Window, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "optibid_console", *words, "-c", str(window.config)],
        cwd=window.room, env={**os.environ, **SECRET}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


async def test_the_commands_say_it_and_adopt_it(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.sql("DROP TABLE schema_migrations")
    (window.room / "migrations" / "003_seed.sql").unlink()
    names = ("001_fix_audit_action_enum", "001_initial_schema")
    for name in names:
        window.migration(name, "CREATE TABLE bids (id int);")
    with own_home(monkeypatch):
        async with window.open() as bench:
            await bench.until(lambda state: state.databases["optibid"].read)
        assert f"! config.toml databases.optibid.migrations: {SHARED}\n" in run(window, "check")[1]
        status, said = run(window, "rehearse")
        assert status == 1
        assert f"  ✗ 2m: {UNRECORDED}\n" in said
        assert f"  ! 2m: {SHARED}\n" in said
        adopt = ("adopt", "optibid", *names, "--reason", "by hand", "--journal",
                 str(window.journal))  # fmt: skip
        assert run(window, *adopt) == (
            3, f"type --confirm optibid to record {', '.join(names)} as applied, without running "
            "anything\n"
        )  # fmt: skip
        assert run(window, *adopt, "--confirm", "optibid") == (
            0, f"2 migrations recorded as applied: {', '.join(names)}\n"
        )  # fmt: skip
    assert window.sql("SELECT name FROM schema_migrations ORDER BY 1") == [(one,) for one in names]
