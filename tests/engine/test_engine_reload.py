"""Another runbook in mid-window: the difference is shown, confirmed, recorded and gone on by."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine.ledger import RunbookChanged
from optibid_console.journal.journal import JournalError
from optibid_console.runbook.difference import RunbookDifference
from optibid_console.runbook.load import load
from optibid_console.signals import LogLines, Output, Sampled
from optibid_console.state import StepStatus
from optibid_console.targets import open_targets
from optibid_console.targets.rehearsal import check_rehearsed
from optibid_console.targets.target import LinkState, Target
from probes.probe import Reading, Status
from tests.engine.bench import Bench, Screen, driven
from tests.engine.conftest import CONFIG, StartEngine

RAISE = 'run = "test ! -e broken && touch flag; exit 0"'
RAISE_ANOTHER = 'run = "touch flag raised-anew"'
NEW_PROBE = """
[probes.fresh]
kind = "command"
on = "local"
run = "true"
every = "200ms"
timeout = "5s"

[panels.load]"""


def edit(bench: Bench, *changes: tuple[str, str]) -> None:
    path = bench.loaded.path
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


async def look(bench: Bench) -> RunbookDifference:
    reply = await bench.do(c.LookAtRunbook())
    assert isinstance(reply, c.Accepted), reply
    assert reply.runbook is not None
    return reply.runbook


async def reload(bench: Bench) -> c.Reply:
    seen = await look(bench)
    return await bench.do(c.ReloadRunbook(seen.digest, seen.secrets))


def taken(bench: Bench) -> list[Any]:
    return [one for one in bench.heard.entries if isinstance(one.fact, e.RunbookAccepted)]


async def test_the_difference_is_told_for_steps_done_and_to_come_and_changes_nothing(
    bench: Bench,
) -> None:
    await bench.step("1b")
    before, seq = bench.engine.generation, bench.state.seq
    edit(bench, (RAISE, RAISE_ANOTHER), ('title = "Make a backup"', 'title = "Back up"'),
         ("[panels.load]", NEW_PROBE), ("every = \"100ms\"", "every = \"150ms\""))  # fmt: skip
    seen = await look(bench)
    assert [(one.group, one.text) for one in seen.changes] == [
        ("steps done", "1b Back up changes: it is done already, as it was before; it isn't run "
                       "again"),
        ("steps to come", "2a Raise the flag, perhaps changes: it is run as it is now"),
        ("probes", "fresh is new"),
        ("panels", "load changes: its history stays"),
    ]  # fmt: skip
    assert seen.changes[0].details == ("title: 'Make a backup' → 'Back up'",)
    assert seen.refused == ""
    assert bench.engine.generation is before
    assert not taken(bench)
    assert bench.state.digest != seen.digest
    assert bench.state.seq >= seq


async def test_it_goes_on_by_the_new_runbook_and_keeps_what_is_unchanged(bench: Bench) -> None:
    before = bench.engine.generation
    panel, target = before.observers.panels["load"], before.targets["local"]
    await bench.until_signal(lambda: len(panel.samples) > 3)
    samples, lease = list(panel.samples), bench.state.operator
    edit(bench, (RAISE, RAISE_ANOTHER), ("[panels.load]", NEW_PROBE))
    reply = await reload(bench)
    assert isinstance(reply, c.Accepted)
    assert reply.said == "the window goes by config.toml as it is now"
    (entry,) = taken(bench)
    assert entry.actor == "oncall-1"
    assert entry.fact.digest == bench.state.digest
    assert any("raised-anew" in one for one in entry.fact.differences)
    after = bench.engine.generation
    assert after is not before
    assert after.observers.panels["load"] is panel
    assert list(panel.samples)[: len(samples)] == samples
    assert after.targets["local"] is target
    assert bench.state.operator == lease
    await bench.until(lambda state: state.readings["fresh"].status is Status.OK)
    state = await bench.step("1b")
    state = await bench.step("2a")
    assert state.step("2a").outcome is e.Outcome.SUCCEEDED
    assert (bench.room / "raised-anew").exists()


async def test_a_probe_that_is_gone_is_read_no_more_and_one_that_measures_else_begins_anew(
    bench: Bench,
) -> None:
    await bench.until(lambda state: "flag" in state.readings and "load" in state.criteria)
    await bench.until(lambda state: "load" in state.panels)
    edit(bench, ('run = "cat load"', 'run = "echo 7"'))
    panel = bench.engine.generation.observers.panels["load"]
    assert isinstance(await reload(bench), c.Accepted)
    assert bench.engine.generation.observers.panels["load"].samples is not panel.samples
    assert ("panel", "load") in bench.heard.forgotten
    (accepted,) = taken(bench)
    await bench.until(lambda state: "load" in state.panels)
    assert bench.state.panels["load"].value == 7.0
    after = [one.fact for one in bench.heard.entries if one.seq > accepted.seq]
    values = [one.reading.value for one in after if isinstance(one, e.ProbeChanged)
              and one.subject == "panel"]  # fmt: skip
    assert values == [7.0]


async def test_an_unchanged_tail_loses_no_line_and_repeats_none(bench: Bench) -> None:
    def seen() -> bytes:
        return b"".join(one.data for one in bench.heard.of(LogLines))

    notes = bench.room / "notes.log"
    notes.write_text("first\n")
    await bench.until_signal(lambda: b"first" in seen())
    edit(bench, (RAISE, RAISE_ANOTHER))
    assert isinstance(await reload(bench), c.Accepted)
    with notes.open("a") as log:
        log.write("second\n")
    await bench.until_signal(lambda: b"second" in seen())
    assert seen().count(b"first") == seen().count(b"second") == 1


async def test_a_changed_trigger_is_judged_anew_and_another_one_keeps_its_time(
    bench: Bench,
) -> None:
    edit(bench, ('active_from = "after"\n', ""))
    assert isinstance(await reload(bench), c.Accepted)
    (bench.room / "load").write_text("200\n")
    failing = e.Verdict.FAIL
    await bench.until(lambda state: state.criteria["load"].verdict is failing)
    state = await bench.until(lambda state: state.criteria["flag"].verdict is failing)
    since = state.criteria["flag"].since
    edit(bench, ("panel.load > 100", "panel.load > 150"))
    assert isinstance(await reload(bench), c.Accepted)
    accepted = taken(bench)[-1]

    def judged(name: str) -> list[e.CriterionJudged]:
        facts = [one.fact for one in bench.heard.entries if one.seq > accepted.seq]
        return [one for one in facts if isinstance(one, e.CriterionJudged)
                and one.criterion_id == name]  # fmt: skip

    await bench.until(lambda state: any(one.verdict is failing for one in judged("load")))
    assert judged("load")[0].verdict is e.Verdict.INCONCLUSIVE
    assert judged("load")[-1].since >= accepted.at
    assert judged("flag") == []
    assert bench.state.criteria["flag"].since == since


async def test_it_is_refused_while_a_step_runs(bench: Bench) -> None:
    await bench.step("1b")
    await bench.step("2a")
    edit(bench, (RAISE, RAISE_ANOTHER))
    seen = await look(bench)
    await bench.do(c.RunStep("2b"))
    why = "2b is under way: it has to end before another runbook can be accepted"
    assert await bench.do(c.ReloadRunbook(seen.digest)) == c.Refused(why)
    assert (await look(bench)).refused == why
    assert not taken(bench)


async def test_only_who_drives_may_reload(bench: Bench) -> None:
    edit(bench, (RAISE, RAISE_ANOTHER))
    bob = Screen("bob", "watch")
    await bench.engine.joined(bob)
    seen = await look(bench)
    reply = await bench.do(c.ReloadRunbook(seen.digest), bob)
    assert reply == c.Refused("oncall-1 drives this window; this screen only watches")
    assert isinstance(await bench.do(c.LookAtRunbook(), bob), c.Accepted)
    assert not taken(bench)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((RAISE, "run = 7"), "config.toml can't be used, nothing changed: config.toml:"),
        (('stack = "directory"', 'stack = "systemd"'), "the window's stack is directory"),
        (('name = "A window of the tests"', 'name = "Another"'), "the window's name is"),
        ((RAISE, RAISE), "config.toml is as it was"),
    ],
    ids=["invalid", "stack", "name", "unchanged"],
)
async def test_what_cannot_be_gone_on_by_is_refused(
    bench: Bench, change: tuple[str, str], why: str
) -> None:
    before = bench.engine.generation
    edit(bench, change)
    reply = await bench.do(c.LookAtRunbook())
    if isinstance(reply, c.Accepted):
        assert reply.runbook is not None
        reply = await bench.do(c.ReloadRunbook(reply.runbook.digest))
    assert isinstance(reply, c.Refused)
    assert reply.why.startswith(why)
    assert bench.engine.generation is before
    assert not taken(bench)


async def test_a_file_that_changed_since_it_was_looked_at_is_refused(bench: Bench) -> None:
    edit(bench, (RAISE, RAISE_ANOTHER))
    seen = await look(bench)
    edit(bench, ("touch flag raised-anew", "touch flag raised-otherwise"))
    reply = await bench.do(c.ReloadRunbook(seen.digest))
    assert reply == c.Refused("config.toml has changed since it was looked at: look at it again")
    assert not taken(bench)


async def test_secrets_of_the_new_file_are_redacted_once_it_is_read_and_those_of_the_old_still(
    bench: Bench, environ: dict[str, str]
) -> None:
    environ["OTHER"] = "correct-horse-battery"
    edit(
        bench,
        (RAISE, "run = 'echo \"${OTHER} hunter2-hunter2\"; touch flag'"),
        ('echo "the secret is ${SECRET}"', "true"),
    )
    seen = await look(bench)
    await bench.do(c.WriteNote("window", "it is correct-horse-battery, it was hunter2-hunter2"))
    assert bench.state.notes[-1].text == "it is [REDACTED], it was [REDACTED]"
    assert isinstance(await bench.do(c.ReloadRunbook(seen.digest)), c.Accepted)
    await bench.step("1b")
    state = await bench.step("2a")
    ended = state.runs[state.step("2a").run_id].ended
    assert ended is not None
    assert ended.last_lines == ("[REDACTED] [REDACTED]",)
    printed = b"".join(one.data for one in bench.heard.signals if isinstance(one, Output))
    assert b"[REDACTED] [REDACTED]" in printed
    assert b"hunter2" not in printed
    await bench.do(c.WriteNote("window", "it was hunter2-hunter2"))
    assert bench.state.notes[-1].text == "it was [REDACTED]"


async def test_a_secret_with_another_value_is_a_change(
    bench: Bench, environ: dict[str, str]
) -> None:
    edit(bench, ('echo "the secret is ${SECRET}"', 'printf %s "${SECRET}" > given'))
    assert isinstance(await reload(bench), c.Accepted)
    environ["SECRET"] = "swordfish-swordfish"
    seen = await look(bench)
    assert (seen.secrets, seen.changes) == (("SECRET",), ())
    why = "config.toml has changed since it was looked at: look at it again"
    assert await bench.do(c.ReloadRunbook(seen.digest)) == c.Refused(why)
    assert isinstance(await bench.do(c.ReloadRunbook(seen.digest, seen.secrets)), c.Accepted)
    assert taken(bench)[-1].fact.differences == ("the value of ${SECRET} changed",)
    await bench.step("1a")
    assert (bench.room / "given").read_text() == "swordfish-swordfish"


async def test_a_journal_that_does_not_take_it_leaves_the_old_runbook_in_effect(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, append = bench.engine.generation, bench.engine.ledger._journal.append

    async def broken(actor: str, fact: e.Fact) -> e.Entry:
        if isinstance(fact, e.RunbookAccepted):
            raise JournalError("disk full")
        return await append(actor, fact)

    edit(bench, ("[panels.load]", NEW_PROBE))
    with monkeypatch.context() as patch:
        patch.setattr(bench.engine.ledger._journal, "append", broken)
        reply = await reload(bench)
    assert reply == c.Refused("the journal can't be written, so nothing was done: disk full")
    assert bench.engine.generation is before
    await reads_on(bench, "flag")
    assert not [one for one in bench.heard.of(Sampled) if one.reading.probe == "fresh"]
    assert isinstance(await reload(bench), c.Accepted)
    await reads_on(bench, "fresh")


async def reads_on(bench: Bench, probe: str) -> None:
    def count() -> int:
        return sum(one.reading.probe == probe for one in bench.heard.of(Sampled))

    before = count()
    await bench.until_signal(lambda: count() > before)


def held_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """The journal gets a runbook (the first event), and takes it once the second is set."""
    append = bench.engine.ledger._journal.append
    sent, go = asyncio.Event(), asyncio.Event()

    async def slow(actor: str, fact: e.Fact) -> e.Entry:
        if isinstance(fact, e.RunbookAccepted):
            sent.set()
            await go.wait()
        return await append(actor, fact)

    monkeypatch.setattr(bench.engine.ledger._journal, "append", slow)
    return sent, go


async def test_it_is_swapped_in_with_its_entry_also_when_nobody_waits_for_that_any_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal was silent for too long: whoever asked was told so, and the entry came later."""
    edit(bench, ("[panels.load]", NEW_PROBE))
    before = bench.engine.generation
    sent, go = held_back(bench, monkeypatch)
    asked = asyncio.create_task(reload(bench))
    await sent.wait()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert bench.engine.generation is before
    go.set()
    await bench.until(lambda state: state.readings["fresh"].status is Status.OK)
    assert bench.engine.generation is not before
    assert bench.engine.generation.loaded.digest == bench.state.digest


async def test_a_new_runbook_that_cannot_be_built_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("no more files")

    edit(bench, (RAISE, RAISE_ANOTHER))
    before = bench.engine.generation
    monkeypatch.setattr("optibid_console.engine.engine.open_targets", broken)
    reply = await reload(bench)
    said = "config.toml can't be gone on by, nothing changed: no more files"
    assert reply == c.Refused(said)
    assert bench.engine.generation is before
    assert not taken(bench)


async def test_what_the_old_runbook_leaves_open_is_said_and_the_new_one_is_in_effect(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise OSError("it hangs")

    await reads_on(bench, "flag")
    monkeypatch.setattr(bench.engine.generation.observers.probes["flag"], "close", broken)
    edit(bench, ('run = "test -e flag"', 'run = "true"'))
    assert isinstance(await reload(bench), c.Accepted)
    state = await bench.until(lambda state: state.notes)
    said = "the new runbook is in effect; not closed of the old one: it hangs"
    assert [one.text for one in state.notes] == [said]
    await bench.until(lambda state: state.readings["flag"].status is Status.OK)


async def test_a_target_that_changed_is_another_one_and_the_old_one_says_nothing_of_it(
    bench: Bench,
) -> None:
    old = bench.targets["local"]
    elsewhere = bench.room / "elsewhere"
    elsewhere.mkdir()
    cwd = f'cwd = "{bench.room}"'
    edit(bench, (cwd, f'cwd = "{elsewhere}"'))
    assert isinstance(await reload(bench), c.Accepted)
    assert bench.engine.generation.targets["local"] is not old
    bench.engine.link(LinkState("local", "reconnecting", "an old one"))
    await bench.step("1b")
    await bench.step("2a")
    assert (elsewhere / "flag").exists()
    assert "local" not in bench.state.links


async def test_an_engine_that_starts_again_goes_on_by_the_runbook_that_was_accepted(
    start_engine: StartEngine,
) -> None:
    async with start_engine() as bench:
        await bench.step("1b")
        edit(bench, (RAISE, RAISE_ANOTHER), ('id = "1b"', 'id = "1c"'))
        assert isinstance(await reload(bench), c.Accepted)
        assert bench.state.step("1b").status is StepStatus.DONE
        before = bench.state.digest
    async with start_engine() as again:
        assert again.state.digest == before == again.loaded.digest
        runbook = again.state.runbook
        assert runbook is not None
        assert [step.id for _, step in runbook.steps()][1] == "1c"


DATABASE = """
[databases.main]
on = "local"
dbname = "nothing"
port = 1
password = "${SECRET}"

[panels.load]"""


async def test_a_database_keeps_its_connection_until_its_password_is_another_one(
    bench: Bench, environ: dict[str, str]
) -> None:
    edit(bench, ("[panels.load]", DATABASE))
    assert isinstance(await reload(bench), c.Accepted)
    first = bench.engine.generation.databases["main"]
    panel = bench.engine.generation.observers.panels["load"]
    edit(bench, (RAISE, RAISE_ANOTHER))
    assert isinstance(await reload(bench), c.Accepted)
    assert bench.engine.generation.databases["main"] is first
    environ["SECRET"] = "swordfish-swordfish"
    assert isinstance(await reload(bench), c.Accepted)
    assert bench.engine.generation.databases["main"] is not first
    assert bench.engine.generation.observers.panels["load"] is panel


async def test_a_rehearsal_reloads_behind_its_wall(tmp_path: Path, environ: dict[str, str]) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(dir=tmp_path))
    read = partial(load, config, environ)
    loaded = read()

    def targets(window: str) -> dict[str, Target]:
        return open_targets(loaded.runbook, lambda link: None, window)

    opened = driven(
        loaded, tmp_path / "r.journal", tmp_path, Bench, targets=targets, rehearsal=True, read=read
    )
    async with opened as bench:
        cwd = f'cwd = "{tmp_path}"'
        edit(bench, (cwd, f'cwd = "{tmp_path}/room"'), ("[panels.load]", NEW_PROBE))
        assert isinstance(await reload(bench), c.Accepted)
        now = bench.engine.generation.targets
        assert now["local"] is not bench.targets["local"]
        check_rehearsed(now)
        await reads_on(bench, "fresh")


async def test_what_an_old_probe_was_about_to_record_is_not_recorded_behind_another_runbook(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = bench.engine.ledger
    stale = e.ProbeChanged(Reading("flag", Status.WARN, "of before", 1.0, 1.0))
    edit(bench, ("[panels.load]", NEW_PROBE))
    sent, go = held_back(bench, monkeypatch)
    swapping = asyncio.create_task(reload(bench))
    await sent.wait()
    late = asyncio.create_task(ledger.record(stale))
    await asyncio.sleep(0)  # it waits behind the runbook
    go.set()
    assert isinstance(await swapping, c.Accepted)
    with pytest.raises(RunbookChanged):
        await late
    assert stale not in [one.fact for one in bench.heard.entries]


async def test_a_swap_that_breaks_ends_the_engine_and_the_next_one_goes_by_the_new_runbook(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("a bug in the swap")

    async def swap() -> None:
        async with start_engine() as bench:
            edit(bench, (RAISE, RAISE_ANOTHER))
            monkeypatch.setattr(bench.engine._telling, "adopt", broken)
            await reload(bench)

    with pytest.raises(RuntimeError, match="a bug in the swap"):
        await swap()
    async with start_engine() as again:
        assert again.state.digest == again.loaded.digest
        await again.step("1b")
        await again.step("2a")
        assert (again.room / "raised-anew").exists()
