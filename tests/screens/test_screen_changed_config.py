"""A config that changed since its window was opened is said, and what differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from optibid_console import entries as e
from optibid_console.codec import to_plain
from optibid_console.runbook.changes import GivenRunbook
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import Window
from optibid_console.runbook.secrets import Secrets
from tests.screens import recording as rec
from tests.screens.conftest import Start
from tests.screens.small_runbook import small_runbook


def given(name: str, digest: str) -> GivenRunbook:
    changed = replace(small_runbook(), window=Window("OptiBid production", name))
    found = GivenRunbook()
    found.take("config.toml", Loaded(changed, Secrets(), digest, Path("config.toml")))
    return found


async def test_the_banner_says_so_and_l_names_each_difference(console: Start) -> None:
    recorder = rec.good_day()
    async with console(recorder, given=given("v2.5.0", "other")) as it:
        assert "config.toml changed since this window was opened" in it.seen("banner")
        assert "(1 difference)" in it.seen("banner")
        await it.press("l")
        assert "window.version: 'v2.4.0' → 'v2.5.0'" in it.sheet()
        said = " ".join(it.sheet().split())
        assert "To go by the new one, whoever drives gives ctrl+p reload" in said
        await it.press("escape")
        book = to_plain(replace(small_runbook(), window=Window("OptiBid production", "v2.5.0")))
        recorder.add(e.RunbookAccepted("other", ("version",), book), actor="oncall-1")
        it.source.push(recorder.entries[-1])
        await it.settle()
        assert "config.toml changed" not in it.seen("banner")


async def test_the_same_config_says_nothing(console: Start) -> None:
    async with console(rec.good_day(), given=given("v2.5.0", "d" * 64)) as it:
        assert "config.toml changed" not in it.seen("banner")


async def test_an_accepted_runbook_brings_its_panels_tails_and_keys(console: Start) -> None:
    recorder = rec.good_day()
    book = small_runbook()
    panel = next(iter(book.panels.values()))
    tail = next(iter(book.tails.values()))
    moved = replace(book.actions[0], key="f8")
    extra = replace(book.actions[0], id="second", title="Second backup", key="b")
    changed = replace(
        book,
        panels={"fresh": replace(panel, id="fresh", title="Fresh panel")},
        tails={**book.tails, "fresh": replace(tail, id="fresh")},
        actions=(moved, extra, *book.actions[1:]),
    )
    async with console(recorder) as it:
        recorder.add(e.RunbookAccepted("other", ("a",), to_plain(changed)), actor="oncall-1")
        it.source.push(recorder.entries[-1])
        await it.settle()
        window = it.app.window
        assert list(window.metrics.metrics) == ["fresh"]
        assert "fresh" in [one.name for one in window.logs.tails.states]
        keys = it.app._bindings.key_to_bindings
        assert [one.action for one in keys["f8"]] == ["start_action('backup')"]
        assert [one.action for one in keys["b"]] == ["start_action('second')"]
