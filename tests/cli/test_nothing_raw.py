"""No command prints a character that acts on a terminal, whatever it was given or told."""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import re
import subprocess
import unicodedata
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import optibid_console
from optibid_console import engine_record
from optibid_console.cli.main import main
from optibid_console.cli.options import _parser
from optibid_console.printed import safe, safe_json
from tests.home import until
from tests.servers.ports import free_port

ROOT = Path(optibid_console.__file__).parents[1]
HOSTILE = "\x1b]0;pwned\x07\x9b31m\u202e\u2066\u200b\u2028\u061c\x7f\u200f\U000e0041\ufeff|"
"""Sets a title, colours, turns the direction, hides: with C0, C1, bidi and invisible ones."""
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Written out here once more: a gap in the product's own list shows."""


def quoted(text: str) -> str:
    """As a TOML string."""
    return '"' + "".join(f"\\U{ord(one):08X}" for one in text) + '"'


def test_every_character_that_is_not_drawn_is_shown_as_its_escape() -> None:
    drawn = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2,
             0x110BD, 0x110CD}  # fmt: skip
    for code in range(0x110000):
        char = chr(code)
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and code not in drawn:
            assert safe(char) == " " if char == "\t" else safe(char).isprintable(), hex(code)
            shown = safe_json(char)
            assert not FORBIDDEN.search(shown), hex(code)
            assert json.loads(shown) == char
    assert safe("é 漢 🚀 ✓ a\tb") == "é 漢 🚀 ✓ a b"
    assert safe("a\nb\x1b[2J\u202e") == "a\\nb\\x1b[2J\\u202e"


# Text of these modules goes elsewhere than to a person's terminal.
PRINTS = {
    "optibid_console/printed.py": "it is how everything else is printed",
    "optibid_console/engine/apprise_child.py": "JSON for the engine, which started it",
    "optibid_console/demo/serving.py": "the log file of OptiBid's stand-in",
}
LOOKS_ONLY = {"isatty", "flush", "fileno", "encoding"}


def test_one_module_prints() -> None:
    found = []
    for path in sorted(one for room in ("optibid_console", "screens", "probes")
                       for one in (ROOT / room).rglob("*.py")):  # fmt: skip
        name = str(path.relative_to(ROOT))
        if name not in PRINTS:
            found += [f"{name}:{line}" for line in prints(ast.parse(path.read_text()))]
    assert found == []


def prints(tree: ast.AST) -> Iterator[int]:
    looked_at = {
        id(node.value) for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in LOOKS_ONLY
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "print":
            yield node.lineno
        if isinstance(node, ast.Attribute) and id(node) not in looked_at:
            of_sys = isinstance(node.value, ast.Name) and node.value.id == "sys"
            if of_sys and node.attr in ("stdout", "stderr", "__stdout__", "__stderr__"):
                yield node.lineno


def test_the_check_for_prints_finds_them() -> None:
    for text in ("print(1)", "import sys\nsys.stdout.write('a')", "json.dump(1, sys.stderr)"):
        assert list(prints(ast.parse(text)))


SAYS = f"echo '{HOSTILE}'"
CONFIG = f"""
[window]
name = {quoted("Window " + HOSTILE)}
version = {quoted("v1" + HOSTILE)}
stack = "directory"

[probes.{quoted("p" + HOSTILE)}]
kind = "command"
run = {quoted(f"{SAYS}; exit 1")}

[tell.{quoted("t" + HOSTILE)}]
kind = "apprise"
on = ["step-failed"]
url = "json://127.0.0.1:1/"

[[phases]]
id = "one"
title = {quoted("First " + HOSTILE)}
at = "T-5m"

[[phases.steps]]
id = "1.1"
title = {quoted("Say " + HOSTILE)}
on = "local"
run = {quoted(f"{SAYS}; exit 1")}
timeout = "9s"

[[phases.steps]]
id = "1.2"
title = {quoted("Look " + HOSTILE)}
on = "local"
run = "true"
required = false

[[actions]]
id = "act"
title = {quoted("Act " + HOSTILE)}
confirm = "act"

[[actions.steps]]
id = "a1"
title = {quoted("Step " + HOSTILE)}
on = "local"
run = {quoted(SAYS)}
"""


@pytest.fixture
def said(home: Any, capfdbinary: Any) -> Callable[..., str]:
    """Runs a command in this process and gives what it said, having looked at every byte."""
    home.config.write_text(CONFIG)

    def run(*arguments: str) -> str:
        capfdbinary.readouterr()
        with contextlib.suppress(SystemExit):  # argparse
            main(arguments)
        out, err = capfdbinary.readouterr()
        return clean(out, arguments) + clean(err, arguments)

    return run


def clean(data: bytes, what: object) -> str:
    text: str = data.decode("utf-8", "surrogateescape")
    found = FORBIDDEN.search(text)
    assert not found, f"{what}: {text[max(found.start() - 60, 0) : found.end() + 40]!r}"
    assert "Traceback" not in text, text
    return text


BAD = HOSTILE + os.fsdecode(b"\xff\xfe")
BAD_TOML = [
    f"[window]\nname = {quoted(HOSTILE)}\n{quoted(HOSTILE)} = 1\n[{quoted(HOSTILE)}]\na = 1\n",
    CONFIG.replace('on = "local"', f"on = {quoted(HOSTILE)}").replace('"T-5m"', quoted(HOSTILE)),
    CONFIG.replace('id = "1.1"', f"id = {quoted('1' + HOSTILE)}"),
    CONFIG.replace('kind = "command"', f"kind = {quoted(HOSTILE)}"),
    f"[window]\nname = '{HOSTILE}'\n",
    f"a = {HOSTILE}",
    CONFIG + f"\n[environment]\nenv_file = {quoted(HOSTILE.replace('/', ''))}\n",
]
# of each command: what is typed where no engine runs
ALONE: dict[str, list[list[str]]] = {
    "run": [["run"], ["run", BAD], ["--" + BAD], ["run", "-c", BAD]],
    "watch": [["watch", BAD], ["watch", f"optibid://{BAD}/#a@b"], ["watch", f"{BAD}://x"],
              ["watch", "--web", BAD, f"optibid://127.0.0.1:1/#{'a' * 43}@{'b' * 43}"],
              ["watch", f"optibid://127.0.0.1:1/#{'a' * 43}@{'b' * 43}", "--web", "127.0.0.1:1",
               "--web-cert", BAD]],
    "attach": [["attach", BAD], ["attach", f"ssh://{HOSTILE}@127.0.0.1:1/"]],
    "action": [["action", BAD], ["action", "act"], ["action", "act", "--json"]],
    "step": [["step", BAD], ["step", "1.1"]],
    "hold": [["hold", "--reason", BAD]],
    "resume": [["resume", "--journal", BAD]],
    "skip": [["skip", BAD, "--reason", "x"]],
    "waive": [["waive", BAD, "--reason", "x"], ["waive", "1.1", "--reason", BAD]],
    "adopt": [["adopt", BAD, BAD, "--reason", BAD], ["adopt", "main", BAD, "--reason", BAD]],
    "jump": [["jump", "1.2", "--reason", BAD]],
    "abort": [["abort"], ["abort", BAD]],
    "forward": [["forward"], ["forward", "--reason", BAD], ["forward", "--confirm", BAD]],
    "reload": [["reload", "-c", BAD], ["reload", "--confirm", BAD], ["reload", "--journal", BAD]],
    "share": [["share", "--name", BAD], ["share", "--for", BAD], ["share", "--list"]],
    "rehearse": [["rehearse", "--journal", BAD + "/" + BAD], ["rehearse", BAD]],
    "engine": [["engine", "-c", BAD], ["engine", "--serve", BAD]],
    "status": [["status", BAD], ["status", "--all"], ["status", "--json"]],
    "verify": [["verify", BAD], ["verify", BAD, "--head", BAD]],
    "journal": [["journal", "init", f"postgresql://127.0.0.1:1/{HOSTILE}"],
                ["journal", BAD], ["journal", "init", BAD], ["journal", "deliver", BAD],
                ["journal", "init", f"postgresql://{HOSTILE}:x@h/d?{HOSTILE}=1"]],
    "demo": [["demo", "--" + BAD], ["demo", "--speed", BAD],
             ["demo", "--headless", "--dir", BAD + "/a"]],
    "check": [["check"], ["check", "--json"], ["check", "-c", BAD]],
    "probe": [["probe"], ["probe", "--json"], ["probe", BAD]],
    "tell": [["tell", "--test", BAD], ["tell", "--test", "t" + HOSTILE],
             ["tell", "--test", "t" + HOSTILE, "--json"]],
}  # fmt: skip


def test_every_command_has_its_attacks() -> None:
    (commands,) = [one for one in _parser()._actions
                   if isinstance(one, argparse._SubParsersAction)]  # fmt: skip
    assert set(ALONE) == set(commands.choices)


@pytest.mark.parametrize("command", ALONE)
def test_a_command_that_is_given_hostile_words(said: Callable[..., str], command: str) -> None:
    for arguments in ALONE[command]:
        assert said(*arguments).strip()


def test_a_config_that_is_hostile_and_wrong(said: Callable[..., str], home: Any) -> None:
    refused = 0
    for text in BAD_TOML:
        home.config.write_text(text)
        assert said("check", "--json").strip()
        # a step's id may be any text: that config is right, and `engine` would open its window
        if said("check").startswith("✓"):
            continue
        assert said("engine").strip()
        refused += 1
    assert refused == len(BAD_TOML) - 1


def test_what_a_hostile_window_says(said: Callable[..., str], home: Any) -> None:
    serve = ["--serve", "127.0.0.1:0"]
    home.path.joinpath(HOSTILE.replace("/", "")).mkdir()
    journal = str(home.path / HOSTILE / "a.journal")
    with home.start("engine", "--journal", journal, *serve) as engine:
        until(engine_record.running)
        here = ["--journal", journal]
        hold = HOSTILE + "because"
        for arguments in (
            ["hold", "--reason", hold, *here], ["resume", "--reason", hold, *here],
            ["step", "1.1", *here], ["step", "1.1", "--confirm", "1.1", *here],
            ["step", "1.1", "--confirm", "1.1", "--json", *here],
            ["skip", "1.2", "--reason", hold, *here], ["action", "act", *here],
            ["action", "act", "--confirm", "act", *here],
            ["action", "act", "--confirm", "act", "--json", *here],
            ["status"], ["status", journal, "--json"], ["attach", journal], ["run", *here],
            ["verify", journal], ["verify", journal, "--json"], ["share", "--list", *here],
            ["share", "--name", HOSTILE + "zoe", *here],
            ["share", "--name", HOSTILE + "joe", "--json", *here],
            ["share", "--list", "--json", *here], ["watch", "--web", "127.0.0.1:0", journal],
        ):  # fmt: skip
            assert said(*arguments).strip(), arguments
        another = quoted("Say another " + HOSTILE)
        home.config.write_text(CONFIG.replace(quoted("Say " + HOSTILE), another))
        for arguments in (["reload", *here], ["reload", "--json", *here]):
            assert "Say another" in said(*arguments), arguments
        link = said("share", "--name", "web", *here).split()[0]
        web_says(home, link)
        with home.start("watch", link, "--json") as watcher:
            first = [watcher.stdout.readline() for _ in range(12)]
            said("share", "--stop", *here)
            rest, err = watcher.communicate()
        clean("".join([*first, rest, err]).encode("utf-8", "surrogateescape"), "watch --json")
        assert any("pwned" in json.dumps(json.loads(one)) for one in first)
        engine.terminate()
        clean("".join(engine.communicate()).encode("utf-8", "surrogateescape"), "engine")
    assert said("status", journal).strip()
    assert said("rehearse").strip()
    for log in home.path.rglob("*.engine.log"):
        clean(log.read_bytes(), log)


def web_says(home: Any, link: str) -> None:
    """What the site of a link says on the terminal and to a browser that has its token."""
    port = free_port()
    site: subprocess.Popen[str] = home.start("watch", link, "--web", f"127.0.0.1:{port}")
    assert site.stdout is not None
    with site:
        said = [site.stdout.readline() for _ in range(4)]
        base = f"http://127.0.0.1:{port}"
        token = link.split("#")[1].split("@")[0]
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        entering = urllib.request.Request(
            f"{base}/enter", json.dumps({"token": token}).encode(),
            {"Content-Type": "application/json", "Origin": base},
        )  # fmt: skip
        pages = [opener.open(entering).read(), opener.open(f"{base}/window").read()]
        try:
            opener.open(f"{base}/{urllib.request.quote(HOSTILE)}")
        except urllib.error.HTTPError as error:
            pages.append(error.read())
            error.close()
        site.terminate()
        said += site.communicate()
    assert b"pwned" in pages[1]
    for page in (*pages, "".join(said).encode("utf-8", "surrogateescape")):
        clean(page, "watch --web")
    assert "pwned" in said[0]
