"""What a config.toml becomes: values filled in, alternatives left out, and bad files refused."""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from optibid_console.codec import from_plain, to_plain
from optibid_console.runbook.keys import COMMAND_KEYS
from optibid_console.runbook.load import MAX_BYTES, Problem, RunbookError, load
from optibid_console.runbook.model import Runbook, Stack, StepKind
from optibid_console.runbook.positions import KeyPath
from probes.probe import Seconds
from screens.keys import KEYS
from tests.runbook.small import ENVIRON, WHOLE, Kinds
from tests.runbook.test_runbook_alternatives import LAST


def test_the_small_runbook_is_read_whole(whole: str, load_text: Any) -> None:
    loaded = load_text(whole)
    book: Runbook = loaded.runbook
    assert book.window.version == "v2.4.0"
    assert book.window.stack is Stack.DOCKER_COMPOSE
    assert book.services == ("redis",)
    assert list(book.targets) == ["local", "app-1"]
    assert book.targets["local"].kind == "local"
    assert book.probes["health"].settings["port"] == 8000
    assert book.panels["errors"].settings == {"metric": "http_requests_total", "unit": "ratio"}
    assert [float(phase.at) for phase in book.phases] == [-3600, 0]
    assert book.phases[1].until == Seconds(3600)
    assert book.phases[1].steps[0].kind is StepKind.WAIT
    assert [item.id for item in book.checklist[0].items] == ["db-1", "db-2"]
    assert book.criteria[0].hold_for == Seconds(30)
    assert book.escalation[0].after == Seconds(900)
    assert loaded.warnings == ()


def test_the_digest_is_of_what_the_journal_keeps(whole: str, load_text: Any) -> None:
    loaded = load_text(whole)
    plain = to_plain(loaded.runbook)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert loaded.digest == hashlib.sha256(text.encode()).hexdigest()
    assert from_plain(Runbook, json.loads(text)) == loaded.runbook
    assert load_text(whole + "\n# a comment\n").digest == loaded.digest
    assert load_text(whole.replace("Back up", "Back it up")).digest != loaded.digest


def test_a_missing_value_is_one_problem_whatever_it_stands_for(whole: str, load_text: Any) -> None:
    text = whole.replace('at = "T+0"', 'at = "${X}"')
    text = text.replace('name = "OptiBid"', 'name = "OptiBid"\nspeed = "${X}"')
    text = text.replace('stack = "docker-compose"', 'stack = "${X}"')
    text = text.replace('ready_when = ["health"]', 'ready_when = "${X}"')
    text = text.replace('url = "http://localhost:1"', 'url = "http://localhost:1"\nport = "${X}"')
    with pytest.raises(RunbookError) as caught:
        load_text(text)
    assert len(caught.value.problems) == 1, str(caught.value)


def test_a_wrong_offset_makes_no_problem_of_the_phases_after_it(whole: str, load_text: Any) -> None:
    with pytest.raises(RunbookError) as caught:
        load_text(whole.replace('at = "T-60m"', 'at = "60m"').replace("T+0", "T-30m"))
    assert [one.key for one in caught.value.problems] == ["phases[0].at"]


def refused(path: Path) -> str:
    with pytest.raises(RunbookError) as caught:
        load(path, {})
    (problem,) = caught.value.problems
    return str(problem)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "c.toml") == f"{tmp_path}/c.toml: no such file; name one with -c FILE"


def test_a_directory(tmp_path: Path) -> None:
    assert refused(tmp_path) == f"{tmp_path}: is a directory; name the config.toml in it"


def test_a_device() -> None:
    assert refused(Path("/dev/zero")) == "/dev/zero: is a character device, not a file to read"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[window]")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", denied)
    assert refused(path) == f"{path}: can't be read: permission denied"


def test_ten_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    with path.open("wb") as file:
        file.truncate(10_000_000)
    started = time.perf_counter()
    assert refused(path) == f"{path}: has 10000000 bytes; at most {MAX_BYTES} are read"
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ": is empty; a runbook needs at least [window]"),
        (b" \n\n", ": is empty; a runbook needs at least [window]"),
        (b'a = 1\nb = "\xff"\n', ":2: is not UTF-8: byte 0xff at offset 11"),
        (b"a = 1\nb = = 2\n", ":2: not TOML: invalid value (column 5)"),
        (b"a = 1\na = 2\n", ":2: not TOML: cannot overwrite a value (column 6)"),
        (b'a = "x\n', ":1: not TOML: illegal character '\\n' (column 7)"),
        (b"a = [1,\n", ":2: not TOML: invalid value (at the end of the file)"),
        (b"a = " + b"[" * 100_000, ": not usable TOML: nested too deeply"),
        (b"a = " + b"9" * 10_000, ": not usable TOML: a number too long"),
    ],
)
def test_a_file_that_is_not_toml(load_text: Any, content: bytes, said: str) -> None:
    with pytest.raises(RunbookError) as caught:
        load_text(content)
    (problem,) = caught.value.problems
    assert str(problem).endswith(f"config.toml{said}")


def test_an_almost_empty_file_says_what_is_missing(load_text: Any) -> None:
    with pytest.raises(RunbookError) as caught:
        load_text("[window]\n")
    said = [str(one) for one in caught.value.problems]
    assert said == [
        "config.toml:1 window.name: name is missing",
        "config.toml:1 window.version: version is missing",
    ]
    with pytest.raises(RunbookError, match=r"config\.toml window: window is missing"):
        load_text("signoffs = []\n")


def test_a_byte_order_mark_and_windows_lines_are_read(whole: str, load_text: Any) -> None:
    text = b"\xef\xbb\xbf" + whole.replace("\n", "\r\n").encode()
    assert load_text(text).runbook.window.name == "OptiBid"


def test_fifteen_hundred_lines_load_fast(whole: str, load_text: Any) -> None:
    step = '[[phases.steps]]\nid = "s{}"\ntitle = "S"\non = "app-1"\nrun = "ls ${{RELEASE}}"\n\n'
    text = whole.replace(LAST, "".join(step.format(n) for n in range(240)) + LAST)
    assert text.count("\n") > 1500
    load_text(text)
    times = []
    for _ in range(3):
        started = time.process_time()
        load_text(text)
        times.append(time.process_time() - started)
    assert min(times) < 0.15


def test_the_commands_keys_are_those_of_the_screens() -> None:
    assert {one.id: one.key for one in KEYS} == dict(COMMAND_KEYS)


def test_the_model_needs_no_parser() -> None:
    code = (
        "import sys, optibid_console.runbook.model; "
        "print([m for m in ('tomllib', 'hashlib', 'optibid_console.runbook.load') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def nodes_of(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in children if isinstance(value, dict | list) else ():
        yield from nodes_of(one, (*path, key))


ODD: tuple[Any, ...] = (
    None, 0, -1, 1.5, True, "", "x", "${RELEASE}", "${DB_PASSWORD}", "${a.b}", "T-5m", "5s",
    "local", "1.1a", [], ["x"], [1], [[]], {}, {"x": 1}, {"id": "x"}, [{}],
    datetime.date(2026, 1, 1),
)  # fmt: skip
"""What is put anywhere in the document; `None`: the key is taken out."""


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_stands_anywhere_gives_a_runbook_or_problems(data: st.DataObject) -> None:
    document = tomllib.loads(WHOLE)
    path = data.draw(st.sampled_from(list(nodes_of(document))))
    parent: Any = document
    for key in path[:-1]:
        parent = parent[key]
    odd = data.draw(st.sampled_from(ODD))
    if odd is None:
        del parent[path[-1]]
    else:
        parent[path[-1]] = odd
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "config.toml"
        file.write_text(tomli_w.dumps(document))
        problems: tuple[Problem, ...] = ()
        try:
            loaded = load(file, ENVIRON, Kinds())
        except RunbookError as error:
            problems = error.problems
            loaded = None
    assert (loaded is None) == bool(problems)
    assert all(one.message and one.file == "config.toml" for one in problems)
    if loaded:
        assert from_plain(Runbook, to_plain(loaded.runbook)) == loaded.runbook


def test_a_contact_that_is_a_placeholder_is_named(whole: str, load_text: Any) -> None:
    text = whole.replace('role = "On call"', 'role = "On call"\nname = "Ada"\nphone = "[Phone]"')
    (warning,) = load_text(text).warnings
    assert warning.key == "contacts.primary.phone"
    assert warning.line == text[: text.index('"[Phone]"')].count("\n") + 1
    assert "[Phone] is a placeholder" in warning.message
