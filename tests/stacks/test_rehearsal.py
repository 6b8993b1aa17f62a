"""A rehearsal by values as the checklist assumes them: each trait of the platform is named."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.home import own_home
from tests.servers.postgres import PostgresServer
from tests.stacks.test_directory import Directories

pytestmark = [pytest.mark.server("sshd"), pytest.mark.server("postgres")]

PIP = """
case $* in
    *--dry-run*) ! grep -q clickhouse-cityhash requirements.txt || {
        echo "ERROR: No matching distribution found for clickhouse-cityhash==0.2.2" >&2
        exit 1
    } ;;
esac
"""
"""Says what pip says of a version that no index has."""
AS_THE_CHECKLIST_SAYS = {
    "FRONTEND_DIR": "frontend", "FRONTEND_ENV": "frontend/.env.local",
    "MARKET_DATA_PATH": "/api/market-data/latest",
    "VERIFY_SCRIPT": "backend/scripts/verify_database.py",
    "SMOKE_TESTS": "backend/tests/test_critical_paths.py",
    "BACKEND_SERVICE": "bin/optibid-backend",
}  # fmt: skip


@pytest.fixture
def place(
    tmp_path: Path, postgres: PostgresServer, host_env: dict[str, str]
) -> Iterator[Directories]:
    made = Directories(tmp_path, postgres, host_env)
    made.stand_ins(pip=PIP)
    made.env["PATH"] = f"{tmp_path}/programs:/usr/bin:/bin"  # Debian's: it has no `python`
    (tmp_path / "programs/python").rename(tmp_path / "programs/its-python")
    made.values["PYTHON"] = str(tmp_path / "programs/its-python")
    with contextlib.ExitStack() as stack:
        for part in made.ports:
            stack.callback(made.service, part, "stop")
        stack.enter_context(made.host())
        yield made


def rehearsed(place: Directories, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    with own_home(monkeypatch):
        done = subprocess.run(
            [sys.executable, "-m", "optibid_console", "rehearse", "-c", str(place.config())],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_rehearsal_names_each_trait_of_the_platform(
    place: Directories, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.checkout.change("v2", "v3", "backend/requirements.txt", "clickhouse-cityhash==0.2.2")
    place.checkout.git("fetch", "--quiet", "--tags")
    place.release = "v3"
    place.postgres.execute("DROP TABLE schema_migrations", place.name)
    place.values |= AS_THE_CHECKLIST_SAYS
    status, said = rehearsed(place, monkeypatch)
    assert status == 1
    found = said[said.index("findings: ") :]
    for trait in (
        "lacks: no frontend in the release (FRONTEND_DIR); no file frontend/.env.local",
        "lacks: no program bin/optibid-backend (BACKEND_SERVICE)",
        "1.1-app-smoke: failed: exit 1: fatal: path 'backend/tests/test_critical_paths.py' does",
        "1.1f: failed: exit 1: ERROR: No matching distribution found for clickhouse-cityhash==0.2",
        "2.1b: optibid: no table schema_migrations, but 25 other tables: what it has isn't "
        "recorded; adopt those that it has: optibid-console adopt optibid NAME …",
        "2.1d: failed: exit 1: ",
        'probe backend-health: failing: status "error" ("module \'app.utils\' has no attribute',
        'probe login: failing: HTTP status 500 "Internal Server Error", expected 200',
        'probe market-data: failing: HTTP status 404 "{"detail": "Not Found"}", expected 200',
        'probe protected: failing: HTTP status 200 "[]", expected 401 or 403',
        "probe database-extensions: failing: extensions without postgis, timescaledb",
        "probe migrations-applied: failing: migration unknown: no table schema_migrations",
    ):
        assert trait in found


async def test_a_host_that_has_only_python3_is_named(place: Directories) -> None:
    said = await place.said_by("1.1-app", PYTHON="python")
    assert "lacks: no program python, for 3.1b (PYTHON)" in said
