"""docs/runbook.md has each step of config.toml once, as it is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WHOLE: dict[str, Any] = tomllib.loads((ROOT / "config.toml").read_text())
PAGE = (ROOT / "docs/runbook.md").read_text()
ROW = re.compile(r"\| `([^`]+)` ([^|]+?)( \?)? \| ([^|]*?) \| ([^|]+) \| ([^|]+) \|")
ROWS = [match for line in PAGE.splitlines() if (match := ROW.fullmatch(line))]


def steps() -> list[dict[str, Any]]:
    tables = [*WHOLE["phases"], *WHOLE["actions"]]
    return [step for table in tables for step in table.get("steps", [])]


def host(step: dict[str, Any]) -> str:
    database = WHOLE["databases"].get(step.get("database"))
    return str(database["on"] if database else step.get("on", ""))


def test_each_step_stands_in_the_table_once_with_its_title_and_host() -> None:
    told = [(row[1], row[2], bool(row[3]), row[4]) for row in ROWS]
    assert told == [
        (one["id"], one["title"], not one.get("required", True), host(one)) for one in steps()
    ]


def test_the_table_names_each_probe_that_makes_a_step_green() -> None:
    for step, row in zip(steps(), ROWS, strict=True):
        for name in (*step.get("evidence", ()), *step.get("wait_for", ())):
            stem = re.sub("-(docker|k8s)$", "", name)
            assert f"`{name}`" in row[6] or f"`{stem}`" in row[6], f"{step['id']}: {name}"


def test_each_amber_in_the_table_is_as_before_and_the_reverse() -> None:
    amber = {row[1] for row in ROWS if "amber" in row[5] or "before the deployment" in row[5]}
    assert amber == {one["id"] for one in steps() if one.get("as_before")}


def test_every_value_that_must_be_given_is_in_the_example() -> None:
    example = re.search(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    named = {*WHOLE["environment"]["plain"], "DB_PASSWORD", "TEST_USER_PASSWORD"}
    assert named <= set(re.findall(r"[A-Z_]{4,}", example[1]))
