"""Another runbook in mid-window on screen: found in the palette, shown, confirmed, followed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.codec import to_plain
from optibid_console.runbook.changes import GivenRunbook
from optibid_console.runbook.difference import Change, RunbookDifference
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.secrets import Secrets
from optibid_console.signals import Sampled
from probes.probe import Reading, Status
from screens.modals.reload import Reload
from tests.screens import recording as rec
from tests.screens.conftest import Console, Start
from tests.screens.small_runbook import small_runbook

SIZES = [(160, 45), (80, 24)]
DIFFERENCE = RunbookDifference(
    "/srv/config.toml",
    "d1",
    ("DB_PASSWORD",),
    (
        Change("steps done", "1.1a Check the disk changes: it is done already, as it was before; "
               "it isn't run again", ("run: 'df' → 'df -h'",)),
        Change("steps to come", "2.1b Migrate changes: it is run as it is now", ("cwd: 1 → 2",)),
        *(Change("probes", f"probe-{i} is new") for i in range(24)),
    ),
)  # fmt: skip


def between_steps() -> rec.Recorder:
    recorder = rec.opened(small_runbook())
    recorder.step("1.1a", 20)
    return recorder


async def from_palette(it: Console) -> None:
    await it.press("ctrl+p")
    await it.type("reload the run")
    await it.until(lambda: bool(it.app.screen.query("OptionList").last().option_count))  # type: ignore[attr-defined]
    await it.press("enter")
    await it.settle()


@pytest.mark.parametrize("size", SIZES)
async def test_the_difference_is_shown_in_groups_and_enter_goes_by_it(
    console: Start, size: tuple[int, int]
) -> None:
    looked = c.Accepted("", 1, runbook=DIFFERENCE)
    async with console(between_steps(), size=size, reply=looked) as it:
        await from_palette(it)
        await it.until(lambda: isinstance(it.app.screen, Reload))
        await it.settle()
        assert it.source.sent == [c.LookAtRunbook()]
        said = it.sheet()
        assert "27 changes, 1 to steps that are done. It is recorded." in " ".join(said.split())
        assert "Steps done" in said
        assert "run: 'df' → 'df -h'" in said
        if size == (80, 24):
            await it.press("pagedown", "pagedown", "pagedown")
            said = it.sheet()
        assert "another value: ${DB_PASSWORD}" in said
        it.source.reply = c.Accepted("the window goes by config.toml as it is now", 1)
        await it.press("enter")
        await it.until(lambda: len(it.source.sent) == 2)
        assert it.source.sent[1] == c.ReloadRunbook("d1", ("DB_PASSWORD",))
        await it.until(lambda: "the window goes by config.toml as it is now" in it.said())


async def test_esc_changes_nothing(console: Start) -> None:
    async with console(rec.good_day(), reply=c.Accepted("", 1, runbook=DIFFERENCE)) as it:
        await from_palette(it)
        await it.until(lambda: isinstance(it.app.screen, Reload))
        await it.press("escape")
        assert it.source.sent == [c.LookAtRunbook()]


async def test_what_cannot_be_done_now_is_said_and_enter_does_nothing(console: Start) -> None:
    refused = replace(DIFFERENCE, refused="2b is under way: it has to end first")
    async with console(rec.good_day(), reply=c.Accepted("", 1, runbook=refused)) as it:
        await from_palette(it)
        await it.until(lambda: isinstance(it.app.screen, Reload))
        assert "Not now: 2b is under way: it has to end first" in it.sheet()
        await it.press("enter")
        assert isinstance(it.app.screen, Reload)
        assert it.source.sent == [c.LookAtRunbook()]


async def test_a_config_that_cannot_be_used_is_a_refusal(console: Start) -> None:
    why = "config.toml can't be used, nothing changed: config.toml:3: not TOML"
    async with console(rec.good_day(), reply=c.Refused(why)) as it:
        await from_palette(it)
        await it.until(lambda: bool(it.source.sent))
        await it.settle()
        assert it.refused() == ("Can't read the runbook again", why)


async def test_a_runbook_that_did_not_change_is_said_in_passing(console: Start) -> None:
    same = RunbookDifference("/srv/config.toml", "d0")
    reply = c.Accepted("config.toml is as it was: nothing would change", 1, runbook=same)
    async with console(rec.good_day(), reply=reply) as it:
        await from_palette(it)
        await it.until(lambda: reply.said in it.said())


async def test_a_screen_that_only_watches_is_refused(console: Start) -> None:
    async with console(rec.good_day(), operator=False) as it:
        await from_palette(it)
        assert "read only" in it.refused()[1]
        assert it.source.sent == []


async def test_once_it_is_accepted_nothing_of_before_is_shown_for_what_measures_else(
    console: Start,
) -> None:
    recorder = rec.good_day()
    book = small_runbook()
    changed = replace(
        book,
        panels={**book.panels, "cpu": replace(book.panels["cpu"], settings={"url": "http://x/"})},
        probes={**book.probes, "redis": replace(book.probes["redis"], settings={"url": "redis://x"})},
    )  # fmt: skip
    given = GivenRunbook()
    given.take("config.toml", Loaded(book, Secrets(), "an older one", Path("config.toml")))
    async with console(recorder, given=given) as it:
        before = it.app.window.metrics.metrics
        assert before["cpu"].history
        assert before["memory"].history
        memory = list(before["memory"].history)
        recorder.at = rec.NOW - 1
        recorder.add(e.RunbookAccepted("other", ("a",), to_plain(changed)))
        entry = recorder.entries[-1]
        late = Reading("cpu", Status.OK, "", rec.NOW - 3, 4.0, 99.0, "percent")
        it.source.push(entry, Sampled("panel", replace(late, at=entry.at - 1)))
        await it.settle()
        after = it.app.window.metrics.metrics
        assert after["cpu"].reading is None
        assert list(after["memory"].history) == memory
        assert it.app.view.health("redis", rec.NOW) == "unknown"
        assert "changed since this window was opened" not in it.seen("banner")
        it.source.push(Sampled("panel", replace(late, at=entry.at + 1, value=7.0)))
        await it.settle()
        assert it.app.window.metrics.metrics["cpu"].value == 7.0
