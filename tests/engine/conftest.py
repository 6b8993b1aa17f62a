"""A whole engine on this machine: real runs, a real journal, no screen."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from optibid_console.runbook.load import load
from tests.engine.bench import Bench, driven

CONFIG = """
[window]
name = "A window of the tests"
version = "v2"
stack = "directory"
baseline_until = "deploy"

[targets.local]
kind = "local"
run_dir = "{dir}/runs"
cwd = "{dir}"

[probes.flag]
kind = "command"
title = "the flag is up"
on = "local"
run = "test -e flag"
every = "200ms"
timeout = "5s"

[panels.load]
source = "command"
on = "local"
run = "cat load"
number = '(\\d+)'
unit = "count"
every = "100ms"
timeout = "5s"
warn_above = 50

[tails.notes]
on = "local"
path = "{dir}/notes.log"

[[phases]]
id = "prepare"
title = "Prepare"
at = "T-60m"

[[phases.steps]]
id = "1a"
title = "Say hello"
on = "local"
run = 'echo hello; echo "the secret is ${{SECRET}}"; echo launched >> launches'
required = false

[[phases.steps]]
id = "1b"
title = "Make a backup"
on = "local"
run = "echo {dir}/backup.dump"
record = "backup.path"

[[phases]]
id = "deploy"
title = "Deploy"
at = "T-30m"

[[phases.steps]]
id = "2a"
title = "Raise the flag, perhaps"
on = "local"
run = "test ! -e broken && touch flag; exit 0"
evidence = ["flag"]
evidence_timeout = "1s"

[[phases.steps]]
id = "2b"
title = "Something long"
on = "local"
run = "echo begun; touch begun; sleep 60"
timeout = "70s"
evidence = ["flag"]

[[phases]]
id = "after"
title = "After"
at = "T+0"

[[phases.steps]]
id = "3a"
title = "Look"
kind = "manual"

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
needs_facts = ["backup.path"]
ready_when = ["flag"]

[[actions.steps]]
id = "R1"
title = "Lower the flag"
on = "local"
run = "test ! -e slowly || sleep 60; test -e may-roll-back && rm -f flag && echo ${{backup.path}}"
undoes = ["2a"]
required = false

[[actions.steps]]
id = "R2"
title = "Tell people"
kind = "manual"

[[criteria]]
id = "load"
title = "Load over 100"
fail_when = "panel.load > 100"
for = "300ms"

[[criteria]]
id = "flag"
title = "The flag is down"
fail_when = "probe.flag is failing"
active_from = "after"

[[checklist]]
id = "look"
title = "Look"
group = "All"
items = ["The flag is blue"]
"""


StartEngine = Callable[[], contextlib.AbstractAsyncContextManager[Bench]]


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A test knows no window but its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def environ() -> dict[str, str]:
    """The environment that the config's `${NAME}` are taken from."""
    return {"SECRET": "hunter2-hunter2"}


@pytest.fixture
def start_engine(tmp_path: Path, environ: dict[str, str]) -> StartEngine:
    """Starts an engine on the test's own directory; again, it goes on with the journal there."""
    room = tmp_path / "room"
    room.mkdir()
    (room / "load").write_text("10\n")
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(dir=room))

    def start() -> contextlib.AbstractAsyncContextManager[Bench]:
        read = partial(load, config, environ)
        return driven(read(), tmp_path / "window.journal", room, Bench, read=read)

    return start


@pytest.fixture
async def bench(start_engine: StartEngine) -> AsyncIterator[Bench]:
    async with start_engine() as started:
        yield started
