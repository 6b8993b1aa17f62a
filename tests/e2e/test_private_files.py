"""What the console keeps is its owner's alone, whatever the umask of the shell."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optibid_console import engine_record, paths
from optibid_console.entries import Held, seal
from optibid_console.journal.spill import Spill
from screens.widgets.log_copy import copies_directory, save_copy
from tests.e2e.conftest import Home
from tests.home import own_home, until


@pytest.fixture
def umask_000() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(*roots: Path) -> list[str]:
    found = [one for root in roots for one in (root, *root.rglob("*"))]
    assert len(found) > len(roots)
    return [f"{one.lstat().st_mode:o} {one}" for one in found if one.lstat().st_mode & 0o077]


def test_what_commands_make_under_umask_000(home: Home) -> None:
    (home.state / "engines").mkdir(parents=True)
    for one in (home.state.parent, home.state, home.state / "engines"):
        one.chmod(0o777)  # as an earlier version left them
    home.go()
    given: dict[str, Any] = {"umask": 0}
    engine = home.start("engine", "-c", "config.toml", "--serve", "127.0.0.1:0", **given)
    until(engine_record.running)
    assert home.run("share", "--name", "ann", **given).returncode == 0
    assert home.run("step", "1.1", "--confirm", "1.1", **given).returncode == 0
    assert [one for one in home.state.rglob("*.journal") if one.stat().st_size]
    assert list(home.state.rglob("certificate.pem"))
    assert list(home.runtime.glob("*.sock"))
    assert open_to_others(home.state, home.runtime) == []
    engine.terminate()
    engine.communicate()


@pytest.mark.usefixtures("umask_000")
def test_what_is_made_in_need_under_umask_000(monkeypatch: pytest.MonkeyPatch) -> None:
    with own_home(monkeypatch) as path:
        first = seal(1, time.time(), 1.0, "ann", Held("a"), "0" * 64)
        spill, _ = Spill.create(path / "new" / "a.journal", lambda _: first)
        save_copy("text", copies_directory(), time.time())
        paths.write_private(paths.rehearsals_dir() / "a.json", "{}")
        assert open_to_others(path / "new", path / "state") == []
        spill.remove()
