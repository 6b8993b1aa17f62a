"""The manual is whole: every key of a runbook and every option of the command is in it."""

from __future__ import annotations

import argparse
import re
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from optibid_console.cli.options import _parser
from optibid_console.demo.story import _parser as demo_parser
from optibid_console.runbook.layout import LAYOUT
from optibid_console.runbook.model import Runbook
from optibid_console.runbook.shape import keys_of
from probes import registry

ROOT = next(one for one in Path(__file__).parents if (one / "config.toml").exists())
PAGES = "\n".join(
    one.read_text() for one in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
)
MANUAL = (ROOT / "config.toml").read_text() + PAGES
NAMED_BY_THE_TABLE = {"id", "settings"}
"""`[probes.ID]` names it, or it is what is left of a table."""


def _dataclasses(hint: Any) -> Iterator[type[Any]]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for one in typing.get_args(hint):
        yield from _dataclasses(one)


def _keys(kind: type[Any], seen: set[type[Any]]) -> Iterator[tuple[str, str]]:
    """Every key below this dataclass, with the dataclass that has it."""
    if kind in seen:
        return
    seen.add(kind)
    yield from ((kind.__name__, key) for key in keys_of(kind, LAYOUT))
    hints = typing.get_type_hints(kind)
    for one in fields(kind):
        for below in _dataclasses(hints[one.name]):
            yield from _keys(below, seen)


def _every_key() -> list[tuple[str, str]]:
    seen: set[type[Any]] = set()
    kinds: list[type[Any]] = [Runbook, *map(registry.settings_class, registry.kinds())]
    kinds += map(registry.tail_settings_class, registry.tail_kinds())
    found = [pair for kind in kinds for pair in _keys(kind, seen)]
    return sorted(pair for pair in set(found) if pair[1] not in NAMED_BY_THE_TABLE)


def _options(parser: argparse.ArgumentParser, command: str) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for shown in action._choices_actions:  # one that isn't here is for programs
                yield command, shown.dest
                yield from _options(action.choices[shown.dest], shown.dest)
        if action.help == argparse.SUPPRESS:
            continue
        for option in action.option_strings:
            if option.startswith("--") and option not in ("--help", "--version"):
                yield command, option


@pytest.mark.parametrize(("where", "key"), _every_key())
def test_every_key_of_a_runbook_is_in_the_manual(where: str, key: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", MANUAL)


EVERY_OPTION = sorted({*_options(_parser(), ""), *_options(demo_parser(), "demo")})


@pytest.mark.parametrize(("command", "option"), EVERY_OPTION)
def test_every_command_and_every_option_is_in_the_readme_or_a_page(
    command: str, option: str
) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", PAGES)
