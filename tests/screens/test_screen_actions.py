"""Actions on their keys: a migration without a backup, and what the runbook itself adds."""

from __future__ import annotations

from dataclasses import replace

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.runbook.model import Action, Step
from optibid_console.signals import Sampled
from probes.probe import Status
from screens.modals.sheet import Page, Sheet
from tests.screens import recording as rec
from tests.screens.conftest import Start
from tests.screens.small_runbook import small_runbook
from tests.screens.test_database_text import runbook


def unbacked() -> rec.Recorder:
    """A window that stands before its migration and has no verified backup."""
    recorder = rec.opened(runbook())
    for step_id in ("1.1a", "1.2a", "2.1a"):
        recorder.step(step_id, 5)
    recorder.add(e.FactRecorded("backup.path", "/b.dump", "1.2a"), actor="console")
    return recorder


async def test_to_migrate_without_a_backup_is_typed_out_and_needs_a_reason(
    console: Start,
) -> None:
    async with console(unbacked()) as it:
        await it.press("m")
        said = "\n".join(it.sheet_lines())
        assert "this window has no verified backup of optibid (step 1.2a)" in said
        assert "without a backup nothing brings optibid back: what 2.1b changes stays" in said
        assert "nothing is lost" not in said
        await it.type("migrate")
        await it.press("enter")
        screen = it.app.screen
        assert isinstance(screen, Sheet)
        assert screen.problem == 'Type "migrate without backup" exactly, or press Esc'
        assert it.source.sent == []
        await it.type(" without backup")
        await it.press("enter")
        assert "this window has no verified backup of optibid" in it.sheet()
        assert "The reason is recorded" in it.sheet()
        await it.press("enter")
        assert it.source.sent == [], "without a reason nothing is sent"
        await it.type("the replica holds it all")
        await it.press("enter")
        assert await it.sent() == [
            c.StartAction(
                "migrate", "migrate without backup", forced=True, reason="the replica holds it all"
            )
        ]


async def test_esc_at_the_reason_sends_nothing(console: Start) -> None:
    async with console(unbacked()) as it:
        await it.press("m")
        await it.type("migrate without backup")
        await it.press("enter", "escape")
        assert it.app.screen is it.app.window
        assert it.source.sent == []


def with_own_actions(**keys: str) -> rec.Recorder:
    """The usual window, and three actions that its runbook adds, each on its key."""
    book = small_runbook()
    own = (
        ("clear-cache", "Clear the cache", "f9", "redis-cli FLUSHDB ASYNC"),
        ("scale-up", "Scale the backend up", "f10", "kubectl scale --replicas=6"),
        ("maintenance-on", "Maintenance page on", "f7", "cp maintenance.html index.html"),
    )
    actions = tuple(
        Action(name, title, key, steps=(Step(f"{name}.1", title, on="app-1", run=run),))
        for name, title, key, run in own
    )
    return rec.migrated(replace(book, actions=(*book.actions, *actions), keys=keys))


async def test_an_action_of_the_runbook_goes_by_its_key(console: Start) -> None:
    async with console(with_own_actions()) as it:
        for key, name, command in (
            ("f9", "clear-cache", "redis-cli FLUSHDB ASYNC"),
            ("f10", "scale-up", "kubectl scale --replicas=6"),
            ("f7", "maintenance-on", "cp maintenance.html index.html"),
        ):
            await it.press(key)
            assert command in it.sheet()
            await it.type(name)
            await it.press("enter")
            await it.until(lambda name=name: c.StartAction(name, name) in it.source.sent)
        await it.press("question_mark")
        said = "\n".join(it.sheet_lines())
        for key, title in (("f9", "Clear the cache"), ("f10", "Scale the backend up")):
            assert f"{key}" in said
            assert title in said


async def test_the_runbooks_own_keys_move_its_actions_too(console: Start) -> None:
    async with console(with_own_actions(**{"clear-cache": "f12"})) as it:
        await it.press("f9")
        assert it.app.screen is it.app.window
        await it.press("f12")
        assert "redis-cli FLUSHDB ASYNC" in it.sheet()


async def test_who_watches_starts_no_action_of_the_runbook(console: Start) -> None:
    async with console(with_own_actions(), operator=False) as it:
        await it.press("f9")
        why = "read only: oncall-1 holds this window. Press l to take over"
        assert it.refused() == ("Can't do that here", why)
        assert it.source.sent == []


async def test_a_long_sheet_is_scrolled_by_its_page_keys(console: Start) -> None:
    async with console(rec.tripped(), size=(80, 20)) as it:
        await it.press("R")
        await it.until(lambda: "Why now" in it.sheet())
        await it.press("pagedown")
        await it.until(lambda: "Why now" not in it.sheet())
        for _ in range(5):
            await it.press("pagedown")
        await it.until(lambda: "./deploy/previous.sh" in it.sheet())
        for _ in range(6):
            await it.press("pageup")
        await it.until(lambda: "Why now" in it.sheet())
        assert it.source.sent == []


async def test_a_word_that_is_broken_loses_nothing(console: Start) -> None:
    digest = "964c3de2b642f8ae2a0205aee7b3283abd7ccc883b498e505096e60104074c1f"
    path = f"/srv/optibid/backups/of/this/window/{digest}/optibid_20261124_132921.dump"
    book = small_runbook()
    rollback = book.action("rollback")
    assert rollback is not None
    steps = (replace(rollback.steps[0], run=f"sha256sum {path}"), *rollback.steps[1:])
    actions = tuple(replace(one, steps=steps) if one.id == "rollback" else one
                    for one in book.actions)  # fmt: skip
    async with console(rec.tripped(replace(book, actions=actions)), size=(80, 24)) as it:
        await it.press("R", "pagedown")
        await it.until(lambda: path in "".join(one.strip() for one in it.sheet().splitlines()))
        drawn = [line.text for line in it.app.screen.query_one(Page).lines]
        assert max(map(len, drawn)) <= it.app.screen.query_one(Page).size.width


async def test_each_thing_that_makes_the_rollback_ready_is_said_with_its_age(
    console: Start,
) -> None:
    recorder = rec.tripped()
    async with console(recorder) as it:
        for name, status, summary, ago in (
            ("backup-verified", Status.OK, "12 tables with data", 4.0),
            ("disk-space", Status.FAILING, "300 MB free, 420 MB needed", 75.0),
        ):
            reading = rec.reading(name, status, summary, rec.NOW - ago)
            it.source.push(Sampled("probe", reading))
        await it.settle()
        await it.press("R")
        lines = it.sheet_lines()
        backup, disk = lines[lines.index("Readiness") + 1 :][:2]
        assert backup.startswith("  ✓ backup verified  12 tables with data")
        assert backup.endswith(" 0:04 ago")
        assert disk.startswith("  ~ disk to restore  300 MB free, 420 MB needed")
        assert disk.endswith(" 1:15 ago")
