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


def test_plain_values_are_filled_in_and_secrets_stay_names(whole: str, load_text: Any) -> None:
    environ = {"RELEASE": "v1; rm -rf '/'", "PORT": "1", "DB_PASSWORD": "correct-horse"}
    loaded = load_text(whole, environ)
    step = loaded.runbook.step("1.1a")
    assert step.run == (
        "pg_dump --password \"${DB_PASSWORD}\" > 'v1; rm -rf '\\''/'\\'''_${window.stamp}"
    )
    assert loaded.runbook.probes["health"].settings["password"] == "${DB_PASSWORD}"
    assert "correct-horse" not in json.dumps(to_plain(loaded.runbook))
    assert loaded.secrets.names == {"DB_PASSWORD"}
    assert loaded.secrets.env_for(step.run) == {"DB_PASSWORD": "correct-horse"}
    revealed = loaded.secrets.reveal_all(loaded.runbook.probes["health"].settings)
    assert revealed["password"] == "correct-horse"


def test_the_version_is_known_everywhere(whole: str, load_text: Any) -> None:
    text = whole.replace('title = "Look"', 'title = "Look at ${window.version}"')
    assert load_text(text).runbook.step("2.1b").title == "Look at v2.4.0"


def test_a_doubled_dollar_is_a_dollar(whole: str, load_text: Any) -> None:
    text = whole.replace('title = "Look"', 'title = "Look at $${THIS}"')
    text = text.replace('url = "http://localhost:1"', 'url = "http://localhost:1/$${THIS}"')
    text = text.replace('run = "restore ', 'run = "THIS=1; echo $${THIS}; restore ')
    loaded = load_text(text)
    assert loaded.runbook.step("2.1b").title == "Look at ${THIS}"
    assert loaded.runbook.step("r1").run.startswith("THIS=1; echo ${THIS-}; restore ")
    settings = loaded.secrets.reveal_all(loaded.runbook.probes["cache"].settings)
    assert settings["url"] == "http://localhost:1/${THIS}"


def test_a_plain_value_cannot_name_a_secret_in_settings(whole: str, load_text: Any) -> None:
    text = whole.replace('url = "http://localhost:1"', 'url = "http://x/${RELEASE}"')
    environ = {"RELEASE": "${DB_PASSWORD}", "PORT": "1", "DB_PASSWORD": "correct-horse"}
    loaded = load_text(text, environ)
    settings = loaded.secrets.reveal_all(loaded.runbook.probes["cache"].settings)
    assert settings["url"] == "http://x/${DB_PASSWORD}"


def test_a_command_probe_is_shell_text(whole: str, load_text: Any) -> None:
    probe = '[probes.disk]\nkind = "command"\non = "app-1"\nrun = "df ${RELEASE} ${DB_PASSWORD}"\n'
    loaded = load_text(whole.replace("[panels.errors]", f"{probe}[panels.errors]"))
    settings = loaded.runbook.probes["disk"].settings
    assert settings["run"] == "df 'v2.4.0' \"${DB_PASSWORD}\""


def test_a_short_secret_is_warned_of(whole: str, load_text: Any) -> None:
    text = whole.replace('url = "http://localhost:1"', 'url = "http://x/${PIN}"')
    environ = {"RELEASE": "v1", "PORT": "1", "DB_PASSWORD": "correct-horse", "PIN": "123"}
    (warning,) = load_text(text, environ).warnings
    assert "${PIN} is shorter than 4 characters" in str(warning)


def test_an_env_file_gives_values_and_the_environment_wins(
    whole: str, load_text: Any, tmp_path: Path
) -> None:
    (tmp_path / "prod.env").write_text(
        "# values\n\nexport RELEASE=v1 # now\nPORT = '9'\n"
        'DB_PASSWORD="a \\"b\\"\\n#c$D"\nEMPTY=\nHASH=a#b\n'
    )
    text = whole.replace("[environment]", '[environment]\nenv_file = "prod.env"')
    loaded = load_text(text, {"PORT": "10"})
    assert loaded.runbook.window.version == "v1"
    assert loaded.runbook.probes["health"].settings["port"] == 10
    assert loaded.secrets.reveal("${DB_PASSWORD}") == 'a "b"\n#c$D'


def test_each_wrong_line_of_an_env_file_is_named_without_its_value(
    whole: str, load_text: Any, tmp_path: Path
) -> None:
    (tmp_path / "prod.env").write_text("RELEASE=v1\nhunter2\nPW='hunter2\nPORT=1\n")
    text = whole.replace("[environment]", '[environment]\nenv_file = "prod.env"')
    with pytest.raises(RunbookError) as caught:
        load_text(text, {})
    said = [str(one) for one in caught.value.problems]
    assert len(said) == 2, said
    assert all(one.startswith("config.toml:8 environment.env_file: ") for one in said)
    assert said[0].endswith("prod.env:2: not NAME=value")
    assert "prod.env:3: PW: a quote isn't closed" in said[1]
    assert "hunter2" not in str(caught.value)


def test_absent_services_are_left_out(whole: str, load_text: Any) -> None:
    book = load_text(whole.replace("[services.redis]", "")).runbook
    assert "cache" not in book.probes
    assert book.step("1.1a").evidence == ("health",)


STEP = '[[phases.steps]]\nid = "x"\ntitle = "X"\nkind = "wait"\nwait_for = ["cache"]\n'
LAST = "[[actions]]"


def test_a_step_of_an_absent_service_is_left_out(whole: str, load_text: Any) -> None:
    text = whole.replace(LAST, f'{STEP}service = "redis"\n{LAST}')
    assert load_text(text).runbook.step("x") is not None
    assert load_text(text.replace("[services.redis]", "")).runbook.step("x") is None


def test_a_wait_for_nothing_but_absent_services_is_refused(whole: str, load_text: Any) -> None:
    text = whole.replace(LAST, f"{STEP}{LAST}").replace("[services.redis]", "")
    with pytest.raises(RunbookError, match=r"phases\[1\].steps\[2\].wait_for: waits only for"):
        load_text(text)


def test_a_criterion_on_an_absent_service_is_refused(whole: str, load_text: Any) -> None:
    text = whole.replace("probe.health is failing", "probe.cache is failing")
    assert load_text(text)
    with pytest.raises(RunbookError, match=r"criteria\[0\].fail_when: judges the probe \"cache\""):
        load_text(text.replace("[services.redis]", ""))


def test_other_stacks_are_left_out_and_still_checked(whole: str, load_text: Any) -> None:
    text = whole.replace('id = "1.1a"', 'id = "1.1a"\nstack = ["kubernetes", "docker-compose"]')
    text = text.replace('path = "/var/log', 'stack = ["pm2"]\npath = "/var/log')
    assert load_text(text).runbook.step("1.1a") is not None
    assert "backend" not in load_text(text).runbook.tails
    with pytest.raises(RunbookError, match='no target "app-9"'):
        load_text(text.replace('on = "app-1"\nstack', 'on = "app-9"\nstack'))


def test_what_is_left_out_needs_no_values_and_no_facts(whole: str, load_text: Any) -> None:
    step = '[[phases.steps]]\nid = "k"\ntitle = "K"\nstack = ["kubernetes"]\non = "${BASTION}"\n'
    text = whole.replace(LAST, f'{step}run = "kubectl ${{CONTEXT}} ${{kube.pod}}"\n{LAST}')
    recorded = text.replace('stack = ["k', 'record = "kube.pod"\nstack = ["k')
    assert load_text(recorded).runbook.step("k") is None
    with pytest.raises(RunbookError, match="no recorded fact"):
        load_text(text)
    chosen = recorded.replace('"docker-compose"', '"kubernetes"')
    with pytest.raises(RunbookError) as caught:
        load_text(chosen)
    assert [one.message[:24] for one in caught.value.problems] == [
        "${BASTION} has no value;",
        "${CONTEXT} has no value;",
    ]


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


def test_an_action_with_no_step_left_is_refused(whole: str, load_text: Any) -> None:
    text = whole.replace('id = "1.1a"', 'id = "1.1a"\nstack = ["pm2"]')
    with pytest.raises(RunbookError) as caught:
        load_text(text)
    said = str(caught.value)
    assert 'actions[0].steps: has no step left for stack "docker-compose"' in said
    assert 'no step records "backup.path" on stack "docker-compose"' in said


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
    assert refused(Path("/dev/zero")) == "/dev/zero: is not a file"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[window]")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert refused(path) == f"{path}: can't be read: permission denied"


def test_ten_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    with path.open("wb") as file:
        file.truncate(10_000_000)
    started = time.perf_counter()
    assert refused(path) == f"{path}: has 10000000 bytes; a runbook has at most {MAX_BYTES}"
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
