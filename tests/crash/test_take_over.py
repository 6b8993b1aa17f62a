"""Two engines and one journal: what was suspended in the middle of a launch does nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from optibid_console import engine_record
from optibid_console.commands import Accepted, Refused, RunStep, WriteNote
from optibid_console.engine_process import EngineStartError, Wanted, find_or_start
from optibid_console.entries import EngineStarted, Outcome, RunEnded, StepFinished
from optibid_console.journal.chain import verify
from optibid_console.journal.following import JournalSource
from optibid_console.source import CaughtUp, Lost, Role
from optibid_console.state import ACTIVE, StepStatus


async def suspended(process: subprocess.Popen[str]) -> None:
    """Wait until it has stopped itself."""
    found = await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert found is not None


def settled(screen: Any) -> bool:
    return screen.state.step("1.1").status not in ACTIVE


@pytest.mark.parametrize("point", ["before-launch", "after-launch", "after-launch-recorded"])
async def test_an_engine_suspended_in_a_launch_launches_nothing_after_it_was_deposed(
    any_place: Any, point: str
) -> None:
    place = any_place
    first = await place.engine("--as", "ann", stop_at=f"{point}:stop")
    async with place.attached("ann") as ann:
        asked = asyncio.create_task(ann.send(RunStep("1.1")))
        await suspended(first)
        second = await place.engine("--as", "bob", "--take-over", "her laptop sleeps")
        async with place.attached("bob") as bob:
            assert bob.role.operator
            await bob.until(settled)
            if point == "before-launch":
                assert bob.state.step("1.1").outcome is Outcome.REFUSED
                await bob.send(RunStep("1.1"))
                await bob.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
            epoch = bob.state.epoch
            first.send_signal(signal.SIGCONT)
            assert await place.end(first, 0) == 3
            # ann's screen was told, and follows the engine that has the window now
            await ann.until(lambda one: any(isinstance(it, Lost) for it in one.events))
            await ann.until(lambda one: one.state.seq == bob.state.seq)
            assert ann.role == Role(False, "bob", ann.role.since, ann.role.stalled_s)
            assert isinstance(await ann.send(RunStep("1.1")), Refused)
        await asyncio.gather(asked)
        assert await place.end(second) == 0
    assert place.lines("launches") == 1
    started = [one.fact for one in place.facts(EngineStarted)]
    assert [one.epoch for one in started] == [1, 2]
    assert (started[1].took_over_from, started[1].reason) == ("ann", "her laptop sleeps")
    assert epoch == 2
    run_id = place.state().step("1.1").run_id
    for kind in (RunEnded, StepFinished):
        assert len([one for one in place.facts(kind) if one.fact.run_id == run_id]) == 1
    assert place.output(run_id) == place.bare()
    assert verify(place.journal).problem == ""


async def test_an_engine_that_is_suspended_and_not_deposed_goes_on(place: Any) -> None:
    first = await place.engine("--as", "ann", stop_at="before-launch:stop")
    async with place.attached("ann") as ann:
        asked = asyncio.create_task(ann.send(RunStep("1.1")))
        await suspended(first)
        first.send_signal(signal.SIGCONT)
        assert isinstance(await asked, Accepted)
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
    assert place.lines("launches") == 1


async def test_who_finds_a_suspended_engine_is_told_who_since_when_and_what_can_be_done(
    place: Any,
) -> None:
    first = await place.engine("--as", "ann")
    first.send_signal(signal.SIGSTOP)
    await suspended(first)
    wanted = Wanted(place.config, "Little window", "bob", place.journal)
    said = (
        r"process \d+ on .*\) that ann started has held this window since .*Z; its last heartbeat "
        r"was .* ago, and it doesn't answer(.|\n)*run --watch(.|\n)*run --take-over"
    )
    with pytest.raises(EngineStartError, match=said) as caught:
        await find_or_start(wanted)
    assert caught.value.exit_code == 3
    record = engine_record.find(place.journal)
    assert record is not None
    assert record.pid == first.pid
    taking = Wanted(place.config, "Little window", "bob", place.journal, take_over="no answer")
    taken = await find_or_start(taking)
    assert taken.pid != first.pid
    first.send_signal(signal.SIGCONT)
    # the signal may have met it while it wrote: then the take-over has ended it
    assert await place.end(first, 0) in (3, -signal.SIGKILL)
    assert engine_record.find(place.journal) == taken  # the deposed one took only its own away
    async with place.attached("bob") as bob:
        assert bob.role.operator
    os.kill(taken.pid, signal.SIGTERM)


async def test_a_second_engine_without_a_reason_is_refused_also_with_another_state_directory(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.engine("--as", "ann")
    monkeypatch.setenv("XDG_STATE_HOME", str(place.path / "other"))
    with pytest.raises(AssertionError, match=r"error 3\n.* that ann started has held this window"):
        await place.engine("--as", "bob")


async def test_a_take_over_of_an_engine_that_answers_is_one_of_its_operator(place: Any) -> None:
    first = await place.engine("--as", "ann")
    async with place.attached("ann") as ann:
        taking = Wanted(place.config, "Little window", "bob", place.journal, take_over="she left")
        record = await find_or_start(taking)
        assert record.pid == first.pid
        async with place.attached("bob", take_over="she left") as bob:
            await bob.until(lambda one: one.role.operator)
            assert isinstance(await bob.send(WriteNote("window", "mine")), Accepted)
            await ann.until(lambda one: one.role.holder == "bob")
            assert not ann.role.operator


async def test_who_only_watches_follows_the_journal_of_an_engine_that_does_not_answer(
    place: Any,
) -> None:
    first = await place.engine("--as", "ann")
    async with place.attached("ann") as ann:
        await ann.send(WriteNote("window", "before"))
    first.send_signal(signal.SIGSTOP)
    await suspended(first)
    source = JournalSource(place.journal, "bob")
    seen: list[object] = []
    async with contextlib.aclosing(source.events()) as events, asyncio.timeout(60):
        async for event in events:
            seen.append(event)
            if isinstance(event, CaughtUp):
                break
        assert [one.holder for one in seen if isinstance(one, Role)] == ["ann"]
        assert isinstance(await source.send(WriteNote("window", "x")), Refused)
        second = await place.engine("--as", "carl", "--take-over", "x")
        async for event in events:
            if isinstance(event, Role):
                assert event.holder == "carl"
                break
    assert await place.end(second) == 0


async def test_a_changed_runbook_goes_on_when_it_is_accepted_and_the_difference_is_recorded(
    place: Any,
) -> None:
    first = await place.engine("--as", "ann")
    async with place.attached("ann") as ann:
        await ann.send(RunStep("1.1"))
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
    changed = place.config.read_text().replace('title = "Undo"', 'title = "Undo it"')
    place.config.write_text(changed)
    accepting = Wanted(
        place.config, "Little window", "ann", place.journal, accept_runbook=True, digest="new"
    )
    with pytest.raises(
        EngineStartError, match=r"as it was: `.* reload` changes it; or end it \(kill \d+"
    ):
        await find_or_start(accepting)
    assert await place.end(first) == 0
    with pytest.raises(AssertionError, match=r"error 3\n(.|\n)*Undo(.|\n)*--accept-runbook"):
        await place.engine()
    second = await place.engine("--accept-runbook", "--as", "bob")
    assert await place.end(second) == 0
    state = place.state()
    assert state.step("1.1").status is StepStatus.DONE
    assert state.runbook.actions[0].steps[0].title == "Undo it"
    (accepted,) = [one for one in place.kinds() if one == "runbook-accepted"]
    assert accepted
    third = await place.engine()  # it is the window's runbook now
    assert await place.end(third) == 0


LOCKS = """
import asyncio, os, signal, sys
from pathlib import Path
from optibid_console.journal.lease import this_engine
from optibid_console.journal.sqlite import SqliteJournal
async def main():
    journal = await SqliteJournal.open(Path(sys.argv[1]), create=True)
    await journal.acquire("ann", this_engine())
    await journal._do("written", lambda: journal._db.execute("BEGIN IMMEDIATE"))
    os.kill(os.getpid(), signal.SIGSTOP)
asyncio.run(main())
"""


async def test_one_that_was_suspended_while_it_wrote_is_ended_by_the_take_over(place: Any) -> None:
    writer = subprocess.Popen([sys.executable, "-c", LOCKS, str(place.journal)])
    await suspended(writer)
    engine = await place.engine("--as", "bob", "--take-over", "it wrote when it was suspended")
    assert await asyncio.to_thread(writer.wait) == -signal.SIGKILL
    assert await place.end(engine) == 0
    (started,) = place.facts(EngineStarted)
    assert (started.fact.epoch, started.fact.took_over_from) == (2, "ann")
