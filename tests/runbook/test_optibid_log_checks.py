"""config.toml's log checks, run as they stand there on a log of the test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from optibid_console.runbook.shell_text import fill
from tests.runbook.test_optibid_config import loaded

START = "2026-11-24 20:31:00 - main - INFO - Started server process\n"
ERROR = "2026-11-24 20:31:07 - main - ERROR - no zone PJM\n"
OWN = '127.0.0.1 "POST /api/auth/login" 500 "optibid-console" - ERROR - wrong password\n'
MANY = 'INFO: 127.0.0.1:50590 - "GET /health HTTP/1.1" 200 OK\n' * 500


def look(
    tmp_path: Path, step_id: str, path: str, before: str, after: str
) -> subprocess.CompletedProcess[str]:
    """The step's command on a log that held `before` at the start, and now this."""
    file = tmp_path / "the.log"
    file.write_text(after)
    step = loaded("directory").runbook.step(step_id)
    assert step is not None
    size = str(len(before.encode()))
    started = f"0123 17 {size} /srv/optibid/releases/v2/backend"
    text = fill(step.run, {"backend.started": started, "database.log-size": size})
    return subprocess.run(
        ["sh", "-c", text.replace(path, str(file))], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("before", "since", "status", "said"),
    [
        (ERROR, START, 0, "1 lines since the start"),  # what was before is not of this release
        ("", START + ERROR + MANY, 1, "no zone PJM"),  # far above the last 100 lines
        ("", START + OWN + MANY, 0, "501 lines since the start"),
        ("", START + "Traceback (most recent call last):\n", 1, "Traceback"),
        (ERROR, "", 1, "has logged nothing since its start"),
    ],
)
def test_the_backend_s_log_since_its_start(
    tmp_path: Path, before: str, since: str, status: int, said: str
) -> None:
    log = "/var/log/optibid/backend.log"
    done = look(tmp_path, "3.3b-file", log, before, before + since)
    assert done.returncode == status
    assert said in done.stdout + done.stderr


def test_a_log_that_was_rotated_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = "/var/log/optibid/backend.log"
    done = look(tmp_path, "3.3b-file", log, MANY, START + ERROR)
    assert done.returncode == 1
    assert "no zone PJM" in done.stdout


def test_the_database_s_log_since_the_opening(tmp_path: Path) -> None:
    log = "/var/log/postgresql/postgresql.log"
    old, new = "FATAL: of last week\n", 'ERROR: relation "bids" does not exist\n'
    assert look(tmp_path, "2.2b", log, old, old).returncode == 0
    done = look(tmp_path, "2.2b", log, old, old + new + "LOG: checkpoint\n" * 300)
    assert (done.returncode, "bids" in done.stdout, "last week" in done.stdout) == (1, True, False)
    assert look(tmp_path, "2.2b", log, old, "").returncode == 0
    own = f"{new}STATEMENT:  SELECT 1 -- optibid-console\n"  # what a probe asked in vain
    assert look(tmp_path, "2.2b", log, old, old + own).returncode == 0
    done = look(tmp_path, "2.2b", log, old, old + own + new)
    assert (done.returncode, done.stdout.count("bids")) == (1, 1)
