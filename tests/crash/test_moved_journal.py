"""A journal that is replaced, and a record that is deleted, under a running engine."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from optibid_console import commands as c
from optibid_console import engine_record
from optibid_console.feed.socket_file import answers
from optibid_console.journal.chain import verify
from optibid_console.permit import forced_words
from optibid_console.signals import Pulse
from optibid_console.state import StepStatus


def problem(screen: Any) -> str | None:
    """What the last pulse says of the journal; empty: it can be written."""
    told = [one for one in screen.events if isinstance(one, Pulse)]
    return told[-1].problem if told else None


def console(place: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "optibid_console", *arguments], cwd=place.path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


async def run_step(screen: Any) -> None:
    await screen.send(c.RunStep("1.1"))
    await screen.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)


async def test_a_journal_that_is_replaced_by_a_copy_loses_no_step(place: Any) -> None:
    """`cp j x; mv x j` with a step between: its entries were in the file that was deleted."""
    engine = await place.engine("--as", "ann")
    async with place.attached("ann") as ann:
        shutil.copy(place.journal, f"{place.journal}.x")
        await run_step(ann)
        os.rename(f"{place.journal}.x", place.journal)
        await ann.until(problem)
        said = problem(ann)
        assert f"{place.journal} was deleted or replaced while it was open" in said
        saved = Path(said.partition("entries are in ")[2].partition(":")[0])
        for command in (c.WriteNote("window", "x"), c.StartAction("rollback", "rollback")):
            reply = await ann.send(command)
            assert isinstance(reply, c.Refused)
            assert "can't be written, so nothing was done" in reply.why
        for other in (("verify", "a.journal"), ("status", "a.journal")):
            asked = console(place, *other)
            assert asked.returncode != 0
            other_file = f"isn't the file that the engine of this window (process {engine.pid})"
            assert other_file in asked.stdout + asked.stderr
            assert "✓" not in asked.stdout
        words = forced_words(ann.state.runbook.action("rollback"))
        assert isinstance(await ann.send(c.StartAction("rollback", words, forced=True)), c.Accepted)
        await ann.until(lambda one: one.state.actions and not one.state.action_run)
        assert place.lines("undone") == 1
        assert Path(ann.state.spill).exists()
    await place.end(engine)
    saved.rename(place.journal)
    again = await place.engine("--as", "ann")
    assert await place.end(again) == 0
    assert verify(place.journal).problem == ""
    assert (place.lines("launches"), place.lines("undone")) == (1, 1)
    state = place.state()
    assert state.step("1.1").status is StepStatus.UNDONE
    assert len([one for one in place.kinds() if one == "step-started"]) == 2
    assert not Path(f"{place.journal}.spill").exists()


async def test_a_directory_that_is_renamed_and_back_costs_nothing(place: Any) -> None:
    place.journal = place.path / "journals" / "a.journal"
    directory = place.journal.parent
    engine = await place.engine("--as", "ann")
    async with place.attached("ann") as ann:
        directory.rename(place.path / "elsewhere")
        await ann.until(problem)
        assert f"Move {place.path}/elsewhere/a.journal back to {place.journal}" in problem(ann)
        (place.path / "elsewhere").rename(directory)
        await ann.until(lambda one: problem(one) == "")
        await run_step(ann)
    assert await place.end(engine) == 0
    assert verify(place.journal).problem == ""


async def test_an_engine_whose_wal_was_deleted_loses_nothing_when_it_is_killed(place: Any) -> None:
    engine = await place.engine("--as", "ann")
    async with place.attached("ann") as ann:
        await run_step(ann)
        Path(f"{place.journal}-wal").unlink()
        await ann.until(problem)
        assert f"entries are in {place.journal}: end this engine, then start it again" in problem(
            ann
        )
        known = ann.state.seq
    engine.kill()
    await asyncio.to_thread(engine.wait)
    again = await place.engine("--as", "ann")
    assert await place.end(again) == 0
    assert verify(place.journal).problem == ""
    assert verify(place.journal).entries > known
    assert place.state().step("1.1").status is StepStatus.DONE


async def test_an_engine_makes_its_record_again_when_somebody_deletes_it(place: Any) -> None:
    engine = await place.engine("--as", "ann")
    before = engine_record.find(place.journal)
    assert before is not None
    (path,) = (place.path / "state" / "optibid-console" / "engines").glob("*.engine")
    path.unlink()
    async with asyncio.timeout(20):
        while engine_record.find(place.journal) is None:
            await asyncio.sleep(0.05)
    assert engine_record.find(place.journal) == before
    async with place.attached("ann") as ann:
        await run_step(ann)
    assert await place.end(engine) == 0
    assert not path.exists()


async def test_an_engine_makes_its_socket_again_when_somebody_deletes_it(place: Any) -> None:
    engine = await place.engine("--as", "ann")
    async with place.attached("ann") as ann:
        record = engine_record.find(place.journal)
        assert record is not None
        Path(record.socket).unlink()
        async with asyncio.timeout(20):
            while not answers(Path(record.socket)):
                await asyncio.sleep(0.05)
        await run_step(ann)  # whoever was attached stays
        async with place.attached("bob") as bob:
            await bob.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
    assert await place.end(engine) == 0
    assert not Path(record.socket).exists()
