from __future__ import annotations

import asyncio
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine.tailing import FollowedTail
from optibid_console.signals import LogLines, Output, Sampled
from optibid_console.state import StepStatus
from probes.probe import Status


async def test_a_step_runs_once_and_what_happened_is_recorded_in_order(bench: Any) -> None:
    state = await bench.step("1a")
    assert state.step("1a").status is StepStatus.DONE
    assert (bench.room / "launches").read_text() == "launched\n"
    run_id = state.step("1a").run_id
    kinds = [type(one.fact) for one in bench.heard.entries
             if getattr(one.fact, "run_id", "") == run_id]  # fmt: skip
    assert kinds == [e.StepStarted, e.RunLaunched, e.RunEnded, e.StepFinished]


async def test_output_reaches_the_screens_without_the_secret(bench: Any) -> None:
    state = await bench.step("1a")
    said = b"".join(one.data for one in bench.heard.of(Output))
    assert said == b"hello\nthe secret is [REDACTED]\n"
    ended = state.runs[state.step("1a").run_id].ended
    assert ended is not None
    assert ended.last_lines == ("hello", "the secret is [REDACTED]")
    stored = await bench.journal.read(0, 10_000)
    assert "hunter2" not in repr(stored)
    assert "${SECRET}" in state.step("1a").command


async def test_what_has_no_utf8_form_does_not_stop_the_journal(bench: Any) -> None:
    entry = await bench.engine.ledger.record(e.NoteWritten("window", "a lone \udce9 here"))
    assert entry.fact == e.NoteWritten("window", "a lone ? here")


async def test_a_fact_is_recorded_and_fills_later_commands(bench: Any) -> None:
    await bench.step("1a")
    state = await bench.step("1b")
    assert state.facts["backup.path"] == f"{bench.room}/backup.dump"


async def test_exit_zero_without_its_evidence_is_a_failure(bench: Any) -> None:
    (bench.room / "broken").touch()
    for step_id in ("1a", "1b"):
        await bench.step(step_id)
    state = await bench.step("2a")
    assert state.step("2a").status is StepStatus.FAILED
    assert state.step("2a").reason.startswith("the command ended well, but flag failing")
    assert state.step("2a").evidence[0].status is Status.FAILING
    (bench.room / "broken").unlink()
    reply = await bench.do(c.RunStep("2a"))
    assert isinstance(reply, c.Accepted)
    state = await bench.until(lambda now: now.step("2a").status is StepStatus.DONE)
    assert state.step("2a").attempt == 2


async def test_what_is_not_permitted_is_refused_and_starts_nothing(bench: Any) -> None:
    reply = await bench.do(c.RunStep("2a"))
    assert isinstance(reply, c.Refused)
    assert "1b Make a backup comes first" in reply.why
    assert bench.state.runs == {}


async def test_an_abort_ends_the_whole_process_group(bench: Any) -> None:
    for step_id in ("1a", "1b", "2a"):
        await bench.step(step_id)
    await bench.do(c.RunStep("2b"))
    async with asyncio.timeout(60):
        while b"begun" not in b"".join(one.data for one in bench.heard.of(Output)):
            await asyncio.sleep(0.02)
    reply = await bench.do(c.Abort())
    assert reply == c.Accepted("aborting 2b", bench.state.seq)
    state = await bench.finished("2b")
    assert state.step("2b").outcome is e.Outcome.ABORTED
    assert state.step("2b").reason == "by oncall-1"
    async with asyncio.timeout(60):
        while str(bench.room).encode() + b"/runs" in await processes():
            await asyncio.sleep(0.1)


async def processes() -> bytes:
    listing = await asyncio.create_subprocess_exec(
        "ps", "-eo", "args", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await listing.communicate()
    return said


async def test_an_abort_with_nothing_running_does_nothing(bench: Any) -> None:
    before = bench.state.seq
    reply = await bench.do(c.Abort())
    assert reply == c.Refused("nothing is running: there is nothing to abort")
    assert [one for one in bench.heard.entries[before:] if isinstance(one.fact, e.AbortAsked)] == []


async def test_a_manual_step_is_done_when_a_person_confirms_it(bench: Any) -> None:
    await bench.step("1b")
    await bench.step("2a")
    await bench.do(c.SkipStep("1a", "not tonight"))
    await bench.do(c.RunStep("2b"))
    await bench.do(c.Abort())
    await bench.finished("2b")
    reply = await bench.do(c.RunStep("3a"))
    assert isinstance(reply, c.Refused)  # 2b is required and failed
    assert "2b" in reply.why


async def test_an_engine_that_starts_again_finds_its_run(start_engine: Any) -> None:
    async with start_engine() as first:
        for step_id in ("1a", "1b", "2a"):
            await first.step(step_id)
        await first.do(c.RunStep("2b"))
        await first.until(lambda state: any(run.launched for run in state.active_runs()))
        run_id = first.state.last_run
    assert first.heard.of(e.EngineStopped)[0].reason.endswith("2b goes on on its target")
    async with start_engine() as second:
        await second.until(lambda state: second.heard.of(e.RunLaunched))
        launched = [one for one in second.heard.of(e.RunLaunched) if one.run_id == run_id]
        assert launched == [e.RunLaunched(run_id, attached=True)]
        await second.do(c.Abort())
        state = await second.finished("2b")
        assert state.step("2b").outcome is e.Outcome.ABORTED
        assert state.step("2b").attempt == 1


async def test_every_reading_is_told_and_only_changes_are_recorded(bench: Any) -> None:
    async with asyncio.timeout(60):
        while len([s for s in bench.heard.of(Sampled) if s.reading.probe == "flag"]) < 4:
            await asyncio.sleep(0.05)
    changes = [one for one in bench.heard.of(e.ProbeChanged) if one.reading.probe == "flag"]
    assert [one.reading.status for one in changes] == [Status.FAILING]
    (bench.room / "flag").touch()
    await bench.until(lambda state: state.readings["flag"].status is Status.OK)


async def test_a_probe_and_a_tail_that_break_are_shown_and_end_nothing(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise TypeError("a bug in a kind")

    monkeypatch.setattr("probes.registry.build", broken)
    monkeypatch.setattr("probes.registry.build_tail", broken)
    bench.engine.generation.observers.probes["flag"].built_with = {"another": "fact"}
    reading = await bench.engine.generation.observers.take_now("flag")
    assert reading.status is Status.ERROR
    assert reading.summary == "can't be measured: a bug in a kind"
    tail = bench.loaded.runbook.tails["notes"]
    follower = FollowedTail(tail, bench.loaded.secrets, bench.targets, bench.engine.ledger)
    following = asyncio.create_task(follower.run())
    async with asyncio.timeout(60):
        while not any("a bug in a kind" in one.notice for one in bench.heard.of(LogLines)):
            await asyncio.sleep(0.02)
    following.cancel()
    assert isinstance(await bench.do(c.Hold("still here")), c.Accepted)
