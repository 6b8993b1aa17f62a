"""Files that a person names and no command can use: each is one sentence and exit status 2, soon.

Every process runs for real: a command that waits for a FIFO or reads a device to its end would
never come back.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from optibid_console.entries import Held
from optibid_console.journal import lease_table
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import this_engine
from optibid_console.journal.sqlite import SqliteJournal
from probes.given_file import UnreadableFile, read_file
from tests.cli.conftest import RUNBOOK

SOON_S = 5.0
AT_ONCE = 6
"""Processes side by side."""
COLUMNS = "seq, at, mono, actor, kind, body, prev, hash"
ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS seq, 0.0 AS at, "
    "0.0 AS mono, '' AS actor, '' AS kind, '{}' AS body, '' AS prev, '' AS hash FROM n"
)
DECLARED = (
    "seq INTEGER PRIMARY KEY, at REAL NOT NULL, mono REAL NOT NULL, actor TEXT NOT NULL, "
    "kind TEXT NOT NULL, body TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL"
)


def statements(*said: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db:
            for one in said:
                db.execute(one)
            db.commit()

    return change


def recreated(declared: str) -> Callable[[Path], None]:
    return statements(
        "ALTER TABLE entries RENAME TO old", f"CREATE TABLE entries ({declared})",
        f"INSERT INTO entries ({COLUMNS}) SELECT {COLUMNS} FROM old", "DROP TABLE old",
    )  # fmt: skip


def column(name: str, kind: str) -> Callable[[Path], None]:
    before = next(one for one in DECLARED.split(", ") if one.startswith(f"{name} "))
    return recreated(DECLARED.replace(before, f"{name} {kind}"))


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def beside(suffix: str) -> Callable[[Path], None]:
    return lambda path: os.mkfifo(path.with_name(path.name + suffix))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


JOURNALS: dict[str, tuple[Callable[[Path], None], str]] = {
    "an endless view": (statements("DROP TABLE entries", f"CREATE VIEW entries AS {ENDLESS}"),
                        "it has a view 'entries'"),
    "a view that joins itself": (
        statements("ALTER TABLE entries RENAME TO e", "CREATE VIEW entries AS SELECT a.* FROM e a, "
                   "e b, e c, e d, e f, e g, e h, e i, e j, e k ORDER BY a.seq"),
        "it has a "),
    "a virtual table": (statements("DROP TABLE entries", "CREATE VIRTUAL TABLE entries USING fts5("
                                   "seq, at, mono, actor, kind, body, prev, hash)"), "it has a "),
    "a trigger": (statements("CREATE TRIGGER more AFTER INSERT ON entries BEGIN DELETE FROM "
                             "entries; END"), "it has a trigger 'more'"),
    "seq as text": (column("seq", "TEXT PRIMARY KEY"), "the columns of its table 'entries'"),
    "at as text": (column("at", "TEXT"), "the columns of its table 'entries'"),
    "body as a blob": (column("body", "BLOB"), "the columns of its table 'entries'"),
    "a generated hash": (
        lambda path: statements(
            "ALTER TABLE entries DROP COLUMN hash",
            "ALTER TABLE entries ADD COLUMN hash TEXT AS (hex(zeroblob(100)))",
        )(path),
        "the columns of its table 'entries'"),
    "a huge body": (statements("UPDATE entries SET body = zeroblob(200000000) WHERE seq = 2"),
                    "larger than any entry"),
    "cut in half": (cut, "can't be"),
    "text": (replaced(lambda path: path.write_text("no database\n" * 1000)), "is not a journal"),
    "a FIFO": (replaced(os.mkfifo), "is a FIFO"),
    "a directory": (replaced(Path.mkdir), "is a directory"),
    "an endless device": (replaced(lambda path: path.symlink_to("/dev/zero")), "is a character"),
    "a FIFO as -wal": (beside("-wal"), "is a FIFO"),
    "a FIFO as -journal": (beside("-journal"), "is a FIFO"),
}  # fmt: skip


@pytest.fixture
async def whole(home: Any) -> Path:
    """A journal with three entries, and nothing beside it."""
    path: Path = home.path / "whole.journal"
    journal = await SqliteJournal.open(path, create=True)
    await journal.acquire("ann", this_engine())
    for number in range(3):
        await journal.append("ann", Held(str(number)))
    await journal.close()
    return path


def all_of(home: Any, commands: dict[str, list[str]]) -> Iterator[tuple[str, int, str]]:
    """Run commands side by side: each one's name, exit status and words, within `SOON_S`."""
    waiting = list(commands.items())
    while waiting:
        some, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        begun = time.monotonic()
        started = [(name, home.start(*one)) for name, one in some]
        for name, process in started:
            left = SOON_S + 2.0 * AT_ONCE - (time.monotonic() - begun)
            out, err = process.communicate(timeout=left)
            assert "Traceback" not in out + err, (name, err)
            yield name, process.returncode, out + err


@pytest.mark.parametrize("command", ["verify", "status", "watch --json", "run", "attach --watch"])
async def test_a_file_that_is_no_journal_ends_with_2(home: Any, whole: Path, command: str) -> None:
    chosen = JOURNALS if command == "verify" else {
        name: JOURNALS[name]
        for name in ("an endless view", "seq as text", "a FIFO", "an endless device")
    }  # fmt: skip
    commands: dict[str, list[str]] = {}
    for number, (name, (change, _)) in enumerate(chosen.items()):
        path = home.path / f"{number}.journal"
        path.write_bytes(whole.read_bytes())
        change(path)
        words = command.split()
        commands[name] = [*words, *(["--journal"] if command == "run" else []), str(path)]
    for name, status, said in all_of(home, commands):
        assert status == 2, (name, said)
        if command not in ("run", "attach --watch", "watch --json"):
            assert JOURNALS[name][1] in said, (name, said)
            assert ".journal" in said
        assert len(said.splitlines()) == 1, said


async def test_a_changed_lease_is_no_traceback(whole: Path) -> None:
    for change in ("UPDATE lease SET engine = '['", "UPDATE lease SET epoch = 'x', engine = ''",
                   "DELETE FROM lease"):  # fmt: skip
        statements(change)(whole)
        with pytest.raises(JournalError, match="lease was changed"):
            lease_table.of(whole)


CONFIGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a dotted key 3,000 deep": (
        lambda path: path.write_text(RUNBOOK + "\n[a]\n" + "a." * 3000 + "a = 1\n"),
        "nested too deeply: a runbook has at most 32 levels"),
    "a dotted key 900,000 deep": (
        lambda path: path.write_text("a." * 900_000 + "a = 1\n"), ":1: nested too deeply"),
    "a header 3,000 deep": (
        lambda path: path.write_text("[" + "a." * 3000 + "a]\n"), ":1: nested too deeply"),
    "inline tables": (
        lambda path: path.write_text("a = " + "{b.c = " * 20 + "1" + "}" * 20),
        "nested too deeply"),
    "arrays": (lambda path: path.write_text("a = " + "[" * 300 + "]" * 300), "nested too deeply"),
    "a FIFO": (os.mkfifo, "is a FIFO"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "is a character device"),
    "a directory": (Path.mkdir, "is a directory"),
    "1 GB": (lambda path: (path.touch(), os.truncate(path, 10**9)), "has 1000000000 bytes"),
}  # fmt: skip


def test_a_config_that_can_not_be_read_ends_with_2(home: Any) -> None:
    commands = {}
    for number, (name, (make, _)) in enumerate(CONFIGS.items()):
        make(home.path / f"{number}.toml")
        commands[name] = ["check", "-c", f"{number}.toml"]
    for name, status, said in all_of(home, commands):
        assert status == 2, (name, said)
        (line,) = said.splitlines()
        assert CONFIGS[name][1] in line
        assert ".toml" in line


ENV_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a FIFO": (os.mkfifo, "is a FIFO"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "is a character device"),
    "a directory": (Path.mkdir, "is a directory"),
    "1 GB": (lambda path: (path.touch(), os.truncate(path, 10**9)), "has 1000000000 bytes"),
    "nobody's home": (lambda path: None, "no home directory for ~nobody-here"),
    "a NUL in its name": (lambda path: None, "its name can't be used"),
}
NAMED = {"nobody's home": "~nobody-here/.env", "a NUL in its name": "a\\u0000b"}


def test_an_env_file_that_can_not_be_read_ends_with_2(home: Any) -> None:
    commands = {}
    for number, (name, (make, _)) in enumerate(ENV_FILES.items()):
        make(home.path / f"{number}.env")
        config = home.path / f"{number}.toml"
        named = NAMED.get(name, f"{number}.env")
        config.write_text(f'{RUNBOOK}\n[environment]\nenv_file = "{named}"\n')
        commands[name] = ["check", "-c", config.name]
    for name, status, said in all_of(home, commands):
        assert status == 2, (name, said)
        (line,) = said.splitlines()
        assert "environment.env_file" in line
        assert ENV_FILES[name][1] in line


def test_a_certificate_that_can_not_be_read_ends_with_2(home: Any) -> None:
    os.mkfifo("cert.pem")
    serve = ["--serve", "127.0.0.1:0", "--serve-cert"]
    commands = {
        "FIFO": ["engine", *serve, "cert.pem"],
        "device": ["engine", *serve, "/dev/zero"],
        "certificate": ["watch", f"optibid://127.0.0.1:1/#{'a' * 43}@{'b' * 43}",
                        "--web", "127.0.0.1:1", "--web-cert", "cert.pem"],
    }  # fmt: skip
    for name, status, said in all_of(home, commands):
        assert status == 2, (name, said)
        assert "is a " in said
        assert len(said.splitlines()) == 1


def test_a_file_that_grows_past_its_limit_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 10)
    assert read_file(path, 10) == b"x" * 10
    with pytest.raises(UnreadableFile, match="has 10 bytes; at most 9"):
        read_file(path, 9)
    with pytest.raises(UnreadableFile, match="has more than 9 bytes"):
        read_file("/proc/self/status", 9)  # says that it has none
