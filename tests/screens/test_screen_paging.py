"""Every line of what is confirmed can be read, at any size, and the sheet says where one is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from optibid_console import commands as c
from optibid_console.runbook.model import Runbook, Step
from screens.modals.action import ready_words
from screens.modals.sheet import Page, Sheet, place_words
from tests.screens import recording as rec
from tests.screens.conftest import Console, Start, text_of
from tests.screens.small_runbook import s, small_runbook

LONG = 14
"""How many steps and commands the long plans have."""


def long_runbook() -> Runbook:
    """The small runbook with long plans behind R, b and m, and a step of many commands."""
    book = small_runbook()
    steps = tuple(
        Step(f"L.{i}", f"part {i} of the way", on="app-1", run=f"echo command-{i}\necho more-{i}",
             expect_duration=s(5)) for i in range(1, LONG + 1)
    )  # fmt: skip
    actions = tuple(
        replace(one, steps=steps, uses=(), needs_facts=(), confirm="") for one in book.actions
    )
    script = "\n".join(f"echo command-{i}" for i in range(1, 2 * LONG))
    phases = tuple(
        replace(one, steps=tuple(
            replace(step, run=script) if step.id == "2.1c" else step for step in one.steps
        )) for one in book.phases
    )  # fmt: skip
    return replace(book, actions=actions, phases=phases)


async def lines_paged(it: Console, keys: Iterable[str]) -> list[str]:
    """The lines that a person reads who presses these keys until nothing more comes."""
    page = it.app.screen.query_one(Page)
    seen: dict[int, str] = {}
    for key in ("", *keys):
        before = page.top
        if key:
            await it.press(key)
        for y, text in enumerate(text_of(page).split("\n")):
            seen.setdefault(page.top + y, text.rstrip())
        if key and page.top == before:
            break
    return [seen[index] for index in sorted(seen)]


def place(it: Console) -> str:
    return str(it.app.screen.query_one("#sheet").border_subtitle)


@pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24), (50, 15)])
@pytest.mark.parametrize("key", ["R", "b", "m", "enter"])
async def test_every_line_is_reached_by_paging(
    console: Start, size: tuple[int, int], key: str
) -> None:
    async with console(rec.tripped(long_runbook()), size=size) as it:
        await it.press(key)
        page = it.app.screen.query_one(Page)
        await it.until(lambda: bool(page.lines) and page.size.height > 1)
        whole = [line.text.rstrip() for line in page.lines]
        read = await lines_paged(it, ["pagedown"] * 60)
        assert read[: len(whole)] == whole
        said = " ".join(" ".join(read).split())
        last = 2 * LONG - 1 if key == "enter" else LONG
        for number in range(1, last + 1 - (key == "enter")):
            assert f"echo command-{number}" in said
        if len(whole) > page.size.height:
            assert f"-{len(whole)} of {len(whole)}, PgUp" in place(it)


async def test_the_word_is_typed_while_the_page_is_read(console: Start) -> None:
    async with console(rec.tripped(long_runbook()), size=(80, 24)) as it:
        await it.press("R")
        page = it.app.screen.query_one(Page)
        await it.until(lambda: "PgDn for more" in place(it))
        assert place(it).startswith("lines 1-")
        await it.type("roll")
        await it.press("pagedown", "down")
        await it.type("back")
        assert page.top > 1
        await it.press("enter")
        assert await it.sent() == [c.StartAction("rollback", "rollback")]


@pytest.mark.parametrize("size", [(80, 24), (50, 15)])
async def test_why_cost_time_and_readiness_come_before_the_commands(
    console: Start, size: tuple[int, int]
) -> None:
    async with console(rec.tripped(long_runbook()), size=size) as it:
        await it.press("R")
        lines = it.sheet_lines()
        heads = ["Why now", "What it costs", "How long", "Ready", "What will happen"]
        assert [one for one in lines if one in heads] == heads
        assert 'Type "rollback" to start' in str(
            it.app.screen.query_one("#sheet-input").border_title
        )


async def test_enter_starts_nothing_before_the_costs_were_on_screen(console: Start) -> None:
    async with console(rec.tripped(long_runbook()), size=(50, 15)) as it:
        await it.press("R")
        await it.until(lambda: "PgDn for more" in place(it))
        assert "What will happen" not in it.sheet()
        await it.type("rollback")
        seen = [it.sheet()]
        while not it.source.sent:
            await it.press("enter")
            if not isinstance(it.app.screen, Sheet):
                break
            seen.append(it.sheet())
            assert len(seen) < 9
        read = "\n".join(seen)
        for part in ("What it costs", "transactions since then are lost", "How long"):
            assert part in " ".join(read.split())
        assert await it.sent() == [c.StartAction("rollback", "rollback")]


@pytest.mark.parametrize(
    ("above", "below", "count", "said"),
    [
        (0, 0, 12, ""),
        (0, -3, 9, ""),
        (0, 28, 40, "lines 1-12 of 40, PgDn for more"),
        (12, 16, 40, "lines 13-24 of 40, PgDn for more"),
        (28, 0, 40, "lines 29-40 of 40, PgUp for the lines before"),
    ],
)
def test_the_place_in_a_page(above: int, below: int, count: int, said: str) -> None:
    assert place_words(above, below, count) == said


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ([], "Ready: nothing is missing"),
        ([("backup", "ok"), ("disk", "ok")], "Ready: backup ✓ disk ✓"),
        ([("backup", "ok"), ("disk", "failing")], "Readiness: backup ✓ disk ✗"),
        ([("backup", "stale"), ("disk", "unknown")], "Readiness: backup ~ disk ⁇"),
    ],
)
def test_ready_is_said_of_readings_that_are_ok_now(
    readings: list[tuple[str, str]], said: str
) -> None:
    assert ready_words(readings) == said
