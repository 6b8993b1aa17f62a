"""Where files are put: a window's journal, a socket that fits, a directory that is ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from optibid_console import paths
from optibid_console.source import SourceError

pytestmark = pytest.mark.usefixtures("home")
NEVER, ALWAYS = (lambda _: False), (lambda _: True)


def test_an_open_windows_journal_is_gone_on_with_and_a_closed_one_is_not() -> None:
    config = Path("config.toml")
    first = paths.journal_for(config, "OptiBid production!", NEVER, now=0.0)
    assert first.name.startswith("optibid-production-")
    assert first.name.endswith("-19700101_000000.journal")
    first.parent.mkdir(parents=True)
    first.touch()
    assert paths.journal_for(config, "OptiBid production!", NEVER, now=60.0) == first
    second = paths.journal_for(config, "OptiBid production!", ALWAYS, now=60.0)
    assert second.name.endswith("-19700101_000100.journal")
    assert paths.journal_for(config, "OptiBid production!", ALWAYS, now=0.0) not in (first, second)


def test_windows_of_other_configs_and_names_have_other_journals(home) -> None:
    here, there = Path("config.toml"), home.path / "other" / "config.toml"
    assert paths.family(here, "a") == paths.family(home.config, "a")
    assert len({paths.family(here, "a"), paths.family(there, "a"), paths.family(here, "b")}) == 3


def test_a_windows_name_cannot_leave_the_directory() -> None:
    journal = paths.journal_for(Path("config.toml"), "../../etc/\x1b[2Jpasswd", NEVER)
    assert journal.parent == paths.windows_dir()


def test_a_socket_lies_in_the_runtime_directory_for_its_owner_alone(home) -> None:
    path = paths.socket_path(Path("a.journal"))
    assert path.parent == home.runtime
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path == paths.socket_path(home.path / "a.journal")
    assert path != paths.socket_path(home.path / "b.journal")


@pytest.mark.parametrize("runtime", ["", "relative", "/nowhere/at/all", "{home}/" + "x" * 100])
def test_without_a_usable_runtime_directory_it_is_in_tmp_and_fits(
    home, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    where = runtime.format(home=home.path)
    if "xxx" in where:
        Path(where).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", where)
    path = paths.socket_path(Path("a.journal"))
    assert path.parent.parent == Path("/tmp")
    assert len(str(path)) <= paths.MAX_SOCKET_BYTES


def test_a_directory_that_others_can_enter_is_closed_to_them(home) -> None:
    home.runtime.mkdir(mode=0o777)
    home.runtime.chmod(0o777)
    paths.socket_path(Path("a.journal"))
    assert home.runtime.stat().st_mode & 0o777 == 0o700


def test_a_link_in_its_place_is_refused(home) -> None:
    (home.path / "elsewhere").mkdir()
    home.runtime.symlink_to(home.path / "elsewhere")
    with pytest.raises(SourceError, match=r"isn't a directory of yours.*XDG_RUNTIME_DIR"):
        paths.socket_path(Path("a.journal"))
