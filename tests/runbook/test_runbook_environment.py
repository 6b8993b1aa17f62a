"""`${NAME}`: plain values are filled in, secrets stay names, and an env file gives both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optibid_console.codec import to_plain
from optibid_console.runbook.command_limits import MOST_VARIABLE_BYTES
from optibid_console.runbook.env_file import EnvFileError, parse_env_file
from optibid_console.runbook.load import RunbookError


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


def _with_defaults(whole: str, table: str) -> str:
    return whole.replace("[services.redis]", f"[environment.defaults]\n{table}\n\n[services.redis]")


def test_a_default_stands_where_nothing_else_gives_a_value(
    whole: str, load_text: Any, tmp_path: Path
) -> None:
    (tmp_path / "prod.env").write_text("FOLDER=/opt/optibid\nDB_PASSWORD=correct-horse\n")
    table = 'FOLDER = "/srv/optibid"\nTIMES = "7"\nLOG = "${FOLDER}/${RELEASE}.log"'
    text = _with_defaults(whole, table).replace(
        "[environment]", '[environment]\nenv_file="prod.env"'
    )
    text = text.replace('"/var/log/backend.log"', '"${LOG}"').replace(
        '"restore ', '"cd ${FOLDER}; '
    )
    text = text.replace('port = "${PORT}"', 'port = "${TIMES}"')
    loaded = load_text(text, {"RELEASE": "v1"})
    assert loaded.runbook.tails["backend"].path == "/opt/optibid/v1.log"
    assert loaded.runbook.step("r1").run.startswith("cd '/opt/optibid'; ")
    assert loaded.runbook.probes["health"].settings["port"] == 7
    assert loaded.secrets.names == {"DB_PASSWORD"}
    assert loaded.warnings == ()
    loaded = load_text(text, {"RELEASE": "v1", "FOLDER": "/elsewhere", "TIMES": "8"})
    assert loaded.runbook.tails["backend"].path == "/elsewhere/v1.log"
    assert loaded.runbook.probes["health"].settings["port"] == 8


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('"no name" = "1"', 'defaults."no name": no name of a value: write letters, digits and _'),
        (
            'A = "${B}"\nB = "1"',
            "defaults.A: ${B} stands below it: a default refers to names above",
        ),
        ('A = "${DB_PASSWORD}"', "defaults.A: ${DB_PASSWORD} is neither in plain nor a default"),
        ('A = "${NOWHERE}"', "defaults.A: ${NOWHERE} is neither in plain nor a default above it"),
        ("A = 1", "defaults.A: expected text, found the number 1"),
    ],
)
def test_a_default_that_cannot_be_one_is_refused(
    whole: str, load_text: Any, table: str, says: str
) -> None:
    with pytest.raises(RunbookError) as caught:
        load_text(_with_defaults(whole, table))
    assert says in str(caught.value)


def test_a_default_that_nothing_uses_is_warned_of(whole: str, load_text: Any) -> None:
    (warning,) = load_text(_with_defaults(whole, 'FOLDER = "/srv"')).warnings
    assert str(warning) == "config.toml:11 environment.defaults.FOLDER: nothing uses it"


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


def test_only_a_line_feed_ends_a_line_of_an_env_file() -> None:
    wrong: list[EnvFileError] = []
    odd = "a\u2028b\u2029c\u0085d\x1ce\x0bf"
    text = f"A={odd}\r\nB='{odd}' # note\r\nC=\u00a0kept\u3000\nD=\"x\u2028\\\u2028y\"\n"
    values = parse_env_file(text, wrong.append)
    assert wrong == []
    assert values == {"A": odd, "B": odd, "C": "\u00a0kept\u3000", "D": "x\u2028\u2028y"}


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"DB_PASSWORD": "x" * (MOST_VARIABLE_BYTES - len("DB_PASSWORD="))}, ""),
        ({"DB_PASSWORD": "x" * (MOST_VARIABLE_BYTES - len("DB_PASSWORD=") + 1)},
         "the value of ${DB_PASSWORD} has 131,060 bytes; with its name a variable of the "
         "environment has at most 131,071: put the value into a file on the target"),
        ({"DB_PASSWORD": "é" * 70_000}, "the value of ${DB_PASSWORD} has 140,000 bytes"),
        ({"DB_PASSWORD": "x\0xx" * 9}, "the value of ${DB_PASSWORD} has a NUL character"),
        ({"RELEASE": "x" * 120_000}, "has 120,056 bytes; a command has at most 120,000"),
    ],
)  # fmt: skip
def test_a_value_that_no_command_can_be_given_is_named_at_load(
    whole: str, load_text: Any, environ: dict[str, str], says: str
) -> None:
    given = {"RELEASE": "v1", "PORT": "1", "DB_PASSWORD": "correct-horse", **environ}
    if not says:
        load_text(whole, given)
        return
    with pytest.raises(RunbookError) as caught:
        load_text(whole, given)
    said = [str(one) for one in caught.value.problems]
    assert [one for one in said if says in one], said
    assert "xx" not in str(caught.value)
    assert "éé" not in str(caught.value)


def test_all_secrets_of_a_command_are_counted_together(whole: str, load_text: Any) -> None:
    names = [f"S{number}" for number in range(9)]
    run = 'run = "pg_dump ' + " ".join(f"${{{one}}}" for one in names)
    text = whole.replace('run = "pg_dump', run)
    environ = {"RELEASE": "v1", "PORT": "1", "DB_PASSWORD": "correct-horse"}
    load_text(text, environ | dict.fromkeys(names, "x" * 110_000))
    with pytest.raises(RunbookError, match="its secrets have 1,080,0") as caught:
        load_text(text, environ | dict.fromkeys(names, "x" * 120_000))
    assert "phases[0].steps[0].run" in str(caught.value)


def test_a_command_with_a_nul_is_refused_at_load(whole: str, load_text: Any) -> None:
    text = whole.replace('run = "pg_dump', 'run = "\\u0000pg_dump')
    with pytest.raises(RunbookError, match="NUL character, which no shell can read"):
        load_text(text, {"RELEASE": "v1", "PORT": "1", "DB_PASSWORD": "correct-horse"})
