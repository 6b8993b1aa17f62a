"""`check` on regular expressions: a bad one by its line and key, a slow one by its time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optibid_console.cli import main

CONFIG = """\
[window]
name = "Patterns"
version = "1"

[[phases]]
id = "one"
title = "One"
at = "T"

[probes.page]
kind = "http"
url = "http://127.0.0.1:1/"
timeout = "300ms"
expect = { text = 'TEXT', headers = { x-said = { matches = 'HEADER' } } }

[probes.output]
kind = "command"
run = "true"
number = 'NUMBER'

[panels.errors]
source = "metrics"
url = "http://127.0.0.1:1/metrics"
gauge = 'a{x=~"LABEL"}'
"""


def written(path: Path, **patterns: str) -> str:
    text = CONFIG
    for name in ("TEXT", "HEADER", "NUMBER", "LABEL"):
        text = text.replace(name, patterns.get(name.lower(), r"(ok)"))
    config = path / "config.toml"
    config.write_text(text)
    return str(config)


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        ({"text": r"(a)\1"}, r"config.toml:14 probes.page.expect.text: RE2 has no backreferences"),
        ({"text": r"[ab]{900}"}, "config.toml:14 probes.page.expect.text: too large a pattern for"),
        ({"header": "a(?=b)"}, "config.toml:14 probes.page.expect.headers.x-said: RE2 has no look"),
        ({"number": r"(\d++)"}, "config.toml:19 probes.output.number: RE2 has no possessive"),
        ({"number": r"\d+"}, "config.toml:19 probes.output.number: needs a group"),
        ({"label": "("}, "config.toml:24 panels.errors.gauge: "),
    ],
)
def test_a_bad_pattern_is_named_with_its_line_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], patterns: dict[str, str], said: str
) -> None:
    assert main(["check", "-c", written(tmp_path, **patterns)]) == 2
    assert said in capsys.readouterr().out


def test_a_pattern_that_hostile_text_makes_slow_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, text="([ab]{0,90}a){3}c", header=r"^(\w+\s?)*$", label="(a+)+")
    assert main(["check", "-c", config]) == 0
    out = capsys.readouterr().out
    assert "! config.toml:14 probes.page.expect.text: takes up to " in out
    assert "on a hostile text of 1,000,000 bytes, but the time limit is 0.3 s" in out
    assert out.count("!") == 1, "only that one takes long"
    assert main(["check", "--json", "-c", config]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning["key"] == "probes.page.expect.text"


def test_patterns_that_cannot_hurt_are_nothing_to_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, text=r"^(\w+\s?)*$", header="(a+)+$", number=r"^(\d+)*(\d+) MB")
    assert main(["check", "-c", config]) == 0
    assert capsys.readouterr().out.startswith("✓ ")
