"""`[databases.ID]`: which release's migrations count."""

from __future__ import annotations

from pathlib import Path

import pytest

from optibid_console.runbook.load import Loaded, RunbookError, load
from tests.runbook.conftest import Loader

WINDOW = """
[window]
name = "A window"
version = "v2"
stack = "directory"

[databases.optibid]
on = "local"
dbname = "optibid"
{keys}

[[phases]]
id = "migrate"
title = "Migrate"
at = "T+0"

[[phases.steps]]
id = "2m"
title = "Migrate"
kind = "migrate"
database = "optibid"
"""
HERE = 'migrations = "database/migrations"'
UNNAMED = (
    "config.toml:10 databases.optibid.migrations: what is pending is read from whatever is there, "
    "not from v2: set revision, or name the release's directory"
)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (HERE, [UNNAMED]),
        (f'{HERE}\nrevision = "v2"', []),
        ('migrations = "releases/v2/database/migrations"', []),
    ],
)
def test_a_directory_that_is_of_no_release_is_a_warning(
    load_text: Loader, keys: str, said: list[str]
) -> None:
    assert [str(one) for one in load_text(WINDOW.format(keys=keys)).warnings] == said


ROLLBACK = """
[probes.applied]
kind = "postgres"
host = "127.0.0.1"
dbname = "optibid"
migration = "006"
{brought_by}

[[phases.steps]]
id = "1b"
title = "Back up"
kind = "backup"
database = "optibid"

[[actions]]
id = "rollback"
title = "Rollback"

[[actions.steps]]
id = "R2"
title = "Restore"
kind = "restore"
database = "optibid"
undoes = ["2m"]
"""


def test_a_probe_of_what_a_rollback_takes_back_names_its_step(tmp_path: Path) -> None:
    text = WINDOW.format(keys=f'{HERE}\nrevision = "v2"') + ROLLBACK

    def loaded(brought_by: str) -> Loaded:
        (tmp_path / "config.toml").write_text(text.replace("{brought_by}", brought_by))
        return load(tmp_path / "config.toml", {})

    (warning,) = loaded("").warnings
    assert str(warning).endswith(
        "probes.applied.brought_by: a rollback takes this migration back, and the probe would be "
        'red for it: name the step that brings it, brought_by = ["2m"]'
    )
    assert loaded('brought_by = ["2m"]').warnings == ()
    with pytest.raises(RunbookError, match="no step"):
        loaded('brought_by = ["2x"]')


def test_a_runner_of_its_own_says_where_it_records(load_text: Loader) -> None:
    text = WINDOW.format(keys=f'{HERE}\nrevision = "v2"') + 'run = "alembic upgrade head"\n'
    (warning,) = load_text(text).warnings
    assert str(warning) == (
        "config.toml:7 databases.optibid.applied: 2m has a runner of its own: what it applied is "
        "read from schema_migrations; where it records in another table, set applied to the query "
        "that gives it"
    )
    applied = 'applied = "SELECT version_num FROM alembic_version"'
    named = text.replace(HERE, f"{HERE}\n{applied}")
    assert load_text(named).warnings == ()
    with pytest.raises(RunbookError) as caught:
        load_text(named.replace('run = "alembic upgrade head"\n', ""))
    assert "applied: 2m has no run: the console's runner records in schema_mig" in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (f'{HERE}\nrevision = "--upload-pack=x"', "databases.optibid.revision: can't begin with -"),
        ('migrations = "/srv/m"\nrevision = "v2"', "expected a directory of the checkout"),
        ('migrations = "../m"\nrevision = "v2"', "expected a directory of the checkout"),
        ('migrations = "~/m"\nrevision = "v2"', "expected a directory of the checkout"),
    ],
)
def test_what_git_couldn_t_name_is_refused(load_text: Loader, keys: str, said: str) -> None:
    with pytest.raises(RunbookError) as caught:
        load_text(WINDOW.format(keys=keys))
    assert said in str(caught.value)
