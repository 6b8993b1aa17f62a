"""The team's server stops or freezes in the middle of a window: keys are answered at once, and
a rollback that is forced meanwhile is in the journal afterwards, whatever became of the engine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.journal import places
from optibid_console.permit import forced_words
from optibid_console.signals import Pulse
from optibid_console.state import StepStatus
from tests.crash.place import Place
from tests.servers.team import Team

pytestmark = pytest.mark.server("postgres")
GATE = "while [ ! -e enough ]; do sleep 0.05; done"
LAMP = """[probes.previous]
kind = "command"
title = "the previous release is there"
on = "here"
run = "test ! -e gone"
every = "1h"

"""


@pytest.fixture
def place(room: Path, own_team: Team) -> Iterator[Place]:
    place = Place(room, journal=own_team.address(window=""))
    text = place.config.read_text().replace("sleep 0.3", GATE)
    text = text.replace("needs_facts = []", 'ready_when = ["previous"]')
    place.config.write_text(text.replace("[[phases]]", f"{LAMP}[[phases]]", 1))
    yield place
    if (own_team.server.data / "postmaster.pid").exists():
        own_team.server.thaw()
    place.clear()


def records(screen: Any) -> bool:
    pulses = [one for one in screen.events if isinstance(one, Pulse)]
    return bool(pulses) and pulses[-1].journal_ok


async def asked(screen: Any, command: c.Command) -> tuple[c.Reply, float]:
    """The reply, and after how many seconds it came."""
    began = time.monotonic()
    return await screen.send(command), time.monotonic() - began


async def noted(screen: Any, text: str) -> None:
    """Write a note, once the journal takes it."""
    async with asyncio.timeout(60):
        while not isinstance(await screen.send(c.WriteNote("window", text)), c.Accepted):
            await asyncio.sleep(0.1)
    await screen.until(lambda one: any(note.text == text for note in one.state.notes))


async def test_a_frozen_server_holds_up_no_key(place: Place, own_team: Team) -> None:
    engine = await place.engine("--as", "ann")
    place.journal = places.newest(place.journal)
    async with place.attached("ann") as ann:
        await ann.send(c.RunStep("1.1"))
        await ann.until(lambda one: place.lines("launches"))
        own_team.server.freeze()
        together = await asyncio.gather(
            *(asked(ann, c.WriteNote("window", f"note {number}")) for number in range(5))
        )
        for reply, took_s in together:
            assert isinstance(reply, c.Refused)
            assert reply.why.startswith("the journal doesn't answer, since 1.")
            assert took_s < 2.5
        reply, took_s = await asked(ann, c.WriteNote("window", "at once"))
        assert isinstance(reply, c.Refused)
        assert took_s < 0.5, reply
        await ann.until(lambda one: not records(one))
        reply, took_s = await asked(ann, c.Abort())
        assert isinstance(reply, c.Accepted)
        assert took_s < 2.5
        async with place.attached("bob") as bob:  # who comes now sees the window all the same
            assert bob.state.runbook == ann.state.runbook
            assert bob.state.seq == ann.state.seq
        reply, took_s = await asked(ann, c.WriteNote("window", "away"))
        assert isinstance(reply, c.Refused)
        assert took_s < 0.5, reply
        own_team.server.thaw()
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.FAILED)
        await noted(ann, "again")
        told = [one for one in ann.events if isinstance(one, e.Entry)]
    assert await place.end(engine) == 0
    assert places.verify(place.journal).problem == ""
    assert told == list(places.entries_of(place.journal))[: len(told)]
    texts = [one.text for one in place.state().notes]
    assert len(texts) == len(set(texts))
    assert place.lines("launches") == 1


async def test_an_action_that_a_silent_server_recorded_too_late_is_not_run(
    place: Place, own_team: Team
) -> None:
    """She was told that nothing was started; by the time that the server wakes up it mustn't."""
    engine = await place.engine("--as", "ann")
    place.journal = places.newest(place.journal)
    (place.path / "enough").touch()
    async with place.attached("ann") as ann:
        await ann.send(c.RunStep("1.1"))
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
        own_team.server.freeze()
        refused = await ann.send(c.StartAction("rollback", "rollback"))
        assert isinstance(refused, c.Refused)
        assert "nothing was started" in refused.why
        assert "rollback without journal" in refused.why
        own_team.server.thaw()
        await noted(ann, "it is back")
        await ann.until(lambda one: not one.state.action_run)
        for one in ann.state.actions.values():
            assert one.outcome is e.Outcome.REFUSED
    assert await place.end(engine) == 0
    assert place.lines("undone") == 0
    assert places.verify(place.journal).problem == ""


WAYS = [("frozen", "goes on"), ("stopped", "goes on"), ("frozen", "is killed")]


@pytest.mark.slow
@pytest.mark.parametrize(("server", "engine"), WAYS, ids=[" and ".join(one) for one in WAYS])
async def test_a_rollback_that_is_forced_while_the_server_is_away_is_in_the_journal_in_order(
    place: Place, own_team: Team, server: str, engine: str
) -> None:
    process = await place.engine("--as", "ann")
    place.journal = places.newest(place.journal)
    async with place.attached("ann") as ann, place.attached("zoe") as zoe:
        await ann.send(c.RunStep("1.1"))
        await ann.until(lambda one: place.lines("launches"))
        own_team.server.freeze() if server == "frozen" else own_team.server.stop("immediate")
        refused = await ann.send(c.WriteNote("window", "sent, and perhaps committed"))
        assert isinstance(refused, c.Refused)
        done = await asyncio.to_thread(forced, place, ann)
        assert done["exit_status"] == 0, done
        assert place.lines("undone") == 1
        await zoe.until(lambda one: one.state.actions and not one.state.action_run)
        spill = Path(zoe.state.spill)
        assert spill.exists()
        if engine == "is killed":
            assert await place.end(process, signal.SIGKILL) == -signal.SIGKILL
        own_team.server.thaw() if server == "frozen" else own_team.server.start()
        if engine == "is killed":
            process = await place.engine("--as", "ann")
        await zoe.until(lambda one: not one.state.spill)
        await zoe.until(records)
        async with place.attached("bob") as bob:
            await bob.send(c.TakeOver("look"))
            await noted(bob, "after")
        await zoe.until(lambda one: any(note.text == "after" for note in one.state.notes))
        told = [one for one in zoe.events if isinstance(one, e.Entry)]
    assert await place.end(process) == 0
    assert not spill.exists()
    assert places.verify(place.journal).problem == ""
    entries = list(places.entries_of(place.journal))
    assert told == entries[: len(told)]
    kinds = [type(one.fact) for one in entries]
    assert kinds.index(e.SpillOpened) < kinds.index(e.ActionStarted) < kinds.index(e.SpillMerged)
    assert kinds.count(e.ActionStarted) == kinds.count(e.SpillMerged) == 1
    assert place.lines("launches") == place.lines("undone") == 1


async def test_a_forced_rollback_that_cannot_be_done_is_refused_and_begins_with_a_longer_word(
    place: Place, own_team: Team
) -> None:
    engine = await place.engine("--as", "ann")
    place.journal = places.newest(place.journal)
    (place.path / "enough").touch()
    async with place.attached("ann") as ann:
        await ann.send(c.RunStep("1.1"))
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
        await ann.until(lambda one: one.state.readiness["rollback"].ready)
        own_team.server.freeze()
        (place.path / "gone").touch()
        await ann.send(c.WriteNote("window", "sent, and perhaps committed"))
        words = forced_words(ann.state.runbook.action("rollback"))
        refused, took_s = await asked(ann, c.StartAction("rollback", words, forced=True))
        assert isinstance(refused, c.Refused)
        assert took_s < 10.0
        assert "the previous release is there: exit" in refused.why
        assert refused.words == f"{words} anyway"
        assert place.lines("undone") == 0
        start = c.StartAction("rollback", refused.words, forced=True, anyway=True)
        assert isinstance(await ann.send(start), c.Accepted)
        await ann.until(lambda one: one.state.actions and not one.state.action_run)
        assert place.lines("undone") == 1
        own_team.server.thaw()
        await ann.until(lambda one: not one.state.spill)
    assert await place.end(engine) == 0
    assert places.verify(place.journal).problem == ""
    facts = [one.fact for one in places.entries_of(place.journal)]
    (started,) = [one for one in facts if isinstance(one, e.ActionStarted)]
    assert started.not_ready[0].startswith("the previous release is there: exit")


def forced(place: Place, ann: Any) -> dict[str, Any]:
    """What `action rollback` says, given on this machine while the server is away."""
    words = forced_words(ann.state.runbook.action("rollback"))
    done = subprocess.run(
        [
            sys.executable, "-m", "optibid_console", "action", "rollback", "-c", str(place.config),
            "--journal", str(place.journal.named("")), "--as", "bob", "--confirm", words,
            "--take-over", "ann can't type", "--json",
        ],
        cwd=place.path, env={**os.environ, **place.env}, capture_output=True, text=True,
        check=False, timeout=90,
    )  # fmt: skip
    last = json.loads(done.stdout.splitlines()[-1])
    result: dict[str, Any] = last.get("result", last)
    assert done.returncode == result["exit_status"], done.stderr
    return result
