"""Steps whose command is made from a database's table: quoting, secrets, every mistake."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from optibid_console.runbook import operations
from optibid_console.runbook.load import RunbookError, load
from optibid_console.runbook.operations import word

FILE = """
[window]
name = "w"
version = "v1"
stack = "directory"

[environment]
plain = ["DB_NAME"]

[databases.main]
on = "local"
dbname = "${DB_NAME}"
password = "${DB_PASSWORD}"

[[phases]]
id = "one"
title = "One"
at = "T-5m"

[[phases.steps]]
id = "1.1"
title = "Back up"
kind = "backup"
database = "main"
"""
VALUES = {"DB_NAME": 'it\'s $(one) "db"', "DB_PASSWORD": "s3cret-value"}


@pytest.fixture(autouse=True)
def text(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(step: operations.Table, database: operations.Table) -> str:
        return f"printf '%s|%s' {word(database['dbname'])} {word(database['password'])}"

    monkeypatch.setitem(operations.TEXTS, "backup", made)


def test_a_step_gets_its_command_quoted_and_its_secret_by_name(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(FILE)
    book = load(path, VALUES)
    step = book.runbook.step("1.1")
    assert step is not None
    assert step.on == "local"
    assert "s3cret-value" not in step.run
    said = subprocess.run(
        ["/bin/sh", "-c", step.run],
        env=book.secrets.env_for(step.run), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said == 'it\'s $(one) "db"|s3cret-value'


@pytest.mark.parametrize("value", ["a b", "$HOME", "`id`", '"', "\\", "$(id)", "a\nb", "*", "~"])
def test_a_word_is_what_it_says(value: str) -> None:
    said = subprocess.run(
        ["/bin/sh", "-c", f"printf %s {word(value)}"], capture_output=True, text=True, check=True
    )
    assert said.stdout == value


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('database = "main"', 'database = "mian"', 'no database "mian"; databases are main'),
        ('database = "main"', "", 'database is missing: kind is "backup"'),
        ('on = "local"', 'on = "nowhere"', 'no target "nowhere"'),
        ('dbname = "${DB_NAME}"', "", "databases.main.dbname"),
        ('on = "local"', 'on = "local"\njobs = 4', 'more than one job needs format = "directory"'),
        ('on = "local"', 'on = "local"\nport = 0', "expected 1 to 65535"),
        ('kind = "backup"', 'kind = "wait"', "only belongs to kind ="),
    ],
)
def test_a_mistake_says_where_it_is(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(FILE.replace(before, after))
    with pytest.raises(RunbookError) as refused:
        load(path, VALUES)
    assert said in str(refused.value)
