"""How the engine drives a command on its target when that isn't as it should be."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine import driving, late_answers
from optibid_console.engine.driving import Driver, Patience
from optibid_console.engine.live_run import LiveRun
from optibid_console.signals import Output
from optibid_console.state import StepStatus
from optibid_console.targets.local import LocalTarget
from optibid_console.targets.target import (
    Launched,
    LinkLost,
    Loss,
    Lost,
    OutputChunk,
    RunEnd,
    RunEvent,
    RunSpec,
)


async def begun(bench: Any) -> str:
    """Step 2b under way, its first line printed; gives its run id."""
    for step_id in ("1a", "1b", "2a"):
        await bench.step(step_id)
    await bench.do(c.RunStep("2b"))
    run_id: str = bench.state.last_run
    async with asyncio.timeout(60):
        while not (bench.room / "begun").exists():
            await asyncio.sleep(0.02)
    await bench.until(lambda state: state.runs[run_id].launched)
    return run_id


def vanish(bench: Any, run_id: str) -> None:
    """The run's directory goes, and its processes with it."""
    run = bench.room / "runs" / run_id
    wrapper, command = (
        int((run / f"{name}.pid").read_text().split()[0]) for name in ("wrapper", "command")
    )
    shutil.rmtree(run)
    os.kill(wrapper, signal.SIGKILL)
    os.killpg(command, signal.SIGKILL)


async def test_a_run_that_vanished_from_its_target_is_unknown(bench: Any) -> None:
    vanish(bench, await begun(bench))
    state = await bench.finished("2b")
    assert state.step("2b").outcome is e.Outcome.UNKNOWN
    assert state.step("2b").reason == "it is gone from local: nobody knows how it ended"


async def test_a_run_that_vanished_while_no_engine_ran_is_unknown(start_engine: Any) -> None:
    async with start_engine() as first:
        run_id = await begun(first)
    vanish(first, run_id)
    async with start_engine() as second:
        state = await second.finished("2b")
        assert state.step("2b").outcome is e.Outcome.UNKNOWN
        assert state.step("2b").reason == "it is gone from local: nobody knows how it ended"


async def test_a_run_is_launched_and_followed_in_one_session(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    sessions = LocalTarget._open

    def counted(self: LocalTarget, text: str) -> Any:
        opened.append(text)
        return sessions(self, text)

    monkeypatch.setattr(LocalTarget, "_open", counted)
    await bench.step("1a")
    assert len([text for text in opened if bench.state.last_run in text]) == 1


async def test_a_link_that_drops_under_a_run_loses_and_doubles_nothing(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropping(monkeypatch, LinkLost("local: cut off"), after=OutputChunk)
    state = await bench.step("1a")
    run_id = state.step("1a").run_id
    assert b"".join(one.data for one in bench.heard.of(Output)) == (
        b"hello\nthe secret is [REDACTED]\n"
    )
    kinds = [type(one.fact) for one in bench.heard.entries
             if getattr(one.fact, "run_id", "") == run_id]  # fmt: skip
    assert kinds == [
        e.StepStarted, e.RunLaunched, e.RunUnreachable, e.RunLaunched, e.RunEnded, e.StepFinished,
    ]  # fmt: skip
    assert [one.attached for one in bench.heard.of(e.RunLaunched)] == [False, True]
    assert (bench.room / "launches").read_text() == "launched\n"


async def test_no_connection_after_the_launch_does_not_mean_that_nothing_was_started(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropping(monkeypatch, LinkLost("local: refused", sent=False), after=OutputChunk)
    state = await bench.step("1a")
    assert state.step("1a").status is StepStatus.DONE
    assert (bench.room / "launches").read_text() == "launched\n"


async def test_a_launch_whose_answer_was_lost_is_asked_for_and_never_sent_again(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropping(monkeypatch, LinkLost("local: cut off"), after=None)
    state = await bench.step("1a")
    assert state.step("1a").status is StepStatus.DONE
    assert bench.heard.of(e.RunLaunched) == [e.RunLaunched(state.last_run, attached=True)]
    assert (bench.room / "launches").read_text() == "launched\n"


async def test_a_launch_that_never_left_is_refused(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unsent(self: LocalTarget, spec: RunSpec) -> AsyncGenerator[RunEvent, None]:
        raise LinkLost("local: no route", sent=False)
        yield

    monkeypatch.setattr(LocalTarget, "run", unsent)
    state = await bench.step("1a")
    assert state.step("1a").outcome is e.Outcome.REFUSED
    assert state.step("1a").reason == "local: no route; nothing was started"


async def test_a_run_that_was_done_in_time_is_not_timed_out_by_who_comes_late(
    start_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut_off(self: LocalTarget, run_id: str) -> RunEnd | None:
        raise LinkLost("local: cut off")

    with monkeypatch.context() as link:
        async with start_engine() as first:
            for step_id in ("1a", "1b"):
                await first.step(step_id)
            dropping(link, LinkLost("local: cut off"), after=Launched)
            link.setattr(LocalTarget, "ended", cut_off)
            await first.do(c.RunStep("2a"))
            run_id = first.state.last_run
            await first.until(lambda state: state.runs[run_id].unreachable)
    async with asyncio.timeout(60):
        while not (first.room / "runs" / run_id / "exit").exists():
            await asyncio.sleep(0.02)
    monkeypatch.setattr(LiveRun, "left_s", lambda live: -1.0)
    async with start_engine() as second:
        state = await second.finished("2a")
        assert state.step("2a").outcome is e.Outcome.SUCCEEDED


async def test_a_run_that_is_out_of_time_is_ended_on_its_target(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LiveRun, "left_s", lambda live: 1.0)
    run_id = await begun(bench)
    state = await bench.finished("2b")
    assert state.step("2b").outcome is e.Outcome.TIMED_OUT
    assert state.step("2b").reason == "after 70 s"
    assert (bench.room / "runs" / run_id / "exit").exists()


async def test_a_command_that_ended_in_time_is_not_timed_out_while_its_wrapper_is_slow(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, asked = asyncio.Event(), asyncio.Event()
    cancel = LocalTarget.cancel

    async def until_over(self: Driver, live: LiveRun) -> None:
        await over.wait()

    async def told(self: LocalTarget, run_id: str, grace_s: float) -> bool:
        ended = await cancel(self, run_id, grace_s)
        asked.set()
        return ended

    monkeypatch.setattr(Driver, "_to_end", until_over)
    monkeypatch.setattr(LocalTarget, "cancel", told)
    run_id = await begun(bench)
    run = bench.room / "runs" / run_id
    wrapper, command = (
        int((run / f"{name}.pid").read_text().split()[0]) for name in ("wrapper", "command")
    )
    os.kill(wrapper, signal.SIGSTOP)
    try:
        os.killpg(command, signal.SIGUSR1)
        async with asyncio.timeout(60):
            while "ended" not in (run / "status").read_text():
                await asyncio.sleep(0.02)
            over.set()
            await asked.wait()
    finally:
        os.kill(wrapper, signal.SIGCONT)
    state = await bench.finished("2b")
    assert state.step("2b").outcome is e.Outcome.FAILED
    assert state.step("2b").reason == "killed by USR1"


def dropping(
    monkeypatch: pytest.MonkeyPatch, lost: LinkLost, after: type[OutputChunk | Launched] | None
) -> None:
    """The target's `run` breaks off once, after its first event of that kind or before any;
    what it launched goes on."""
    whole = LocalTarget.run

    async def broken(self: LocalTarget, spec: RunSpec) -> AsyncGenerator[RunEvent, None]:
        async with aclosing(whole(self, spec)) as events:
            async for event in events:
                if after is None:
                    raise lost
                yield event
                if isinstance(event, after):
                    raise lost

    monkeypatch.setattr(LocalTarget, "run", broken)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run of an engine that starts now has a short grace."""
    monkeypatch.setattr(driving, "AS_USUAL", Patience(grace_s=0.6, quiet_s=0.2))
    monkeypatch.setattr(late_answers, "ASK_AGAIN_S", 0.1)


async def kept_alive(self: LocalTarget, run_id: str, grace_s: float) -> None:
    """As where the command runs as another user, by sudo."""


@pytest.mark.usefixtures("impatient")
async def test_a_run_that_cannot_be_ended_is_unknown_and_says_that_it_still_runs(
    start_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_engine() as bench:
        run_id = await begun(bench)
        with monkeypatch.context() as sudo:
            sudo.setattr(LocalTarget, "cancel", kept_alive)
            await bench.do(c.Abort())
            state = await bench.finished("2b")
            assert state.step("2b").status is StepStatus.UNSETTLED
            assert state.step("2b").reason == (
                "aborted by oncall-1, but local still runs it: it couldn't be ended"
            )
            assert await bench.targets["local"].ended(run_id) is None
        # it is to end, also later: then its end is known
        state = await bench.until(lambda now: now.step("2b").outcome is e.Outcome.ABORTED)
        assert (await bench.targets["local"].ended(run_id)).signal == "TERM"


@pytest.mark.usefixtures("impatient")
async def test_a_run_whose_target_stays_silent_is_unknown_after_its_grace(
    start_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(self: LocalTarget, *_: Any) -> Any:
        await asyncio.Event().wait()

    async with start_engine() as bench:
        await begun(bench)
        with monkeypatch.context() as link:
            for name in ("cancel", "ended"):
                link.setattr(LocalTarget, name, silent)
            await bench.do(c.Abort())
            state = await bench.finished("2b")
        assert state.step("2b").outcome is e.Outcome.UNKNOWN
        assert state.step("2b").reason == (
            "aborted by oncall-1, but local doesn't answer: nobody knows whether it still runs"
        )


@pytest.mark.usefixtures("impatient")
async def test_a_follower_that_says_nothing_of_the_end_is_not_waited_for(
    start_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(self: LocalTarget, spec: RunSpec) -> AsyncGenerator[RunEvent, None]:
        async with aclosing(whole(self, spec)) as events:
            async for event in events:
                yield event
                if isinstance(event, Launched):
                    await asyncio.Event().wait()

    whole = LocalTarget.run
    monkeypatch.setattr(LocalTarget, "run", stuck)
    async with start_engine() as bench:
        state = await bench.step("1a")
        assert state.step("1a").status is StepStatus.DONE
        assert b"".join(one.data for one in bench.heard.of(Output)) == (
            b"hello\nthe secret is [REDACTED]\n"
        )
        assert len(bench.heard.of(e.RunLaunched)) == 1, "nobody lost a link"


async def test_a_fact_that_was_lost_is_not_recorded_and_the_step_is_not_green(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = LocalTarget.run

    async def full(self: LocalTarget, spec: RunSpec) -> AsyncGenerator[RunEvent, None]:
        async with aclosing(whole(self, spec)) as events:
            async for event in events:
                if isinstance(event, RunEnd):
                    event = replace(event, lost=Lost(Loss.FULL, 12_345))
                yield event

    monkeypatch.setattr(LocalTarget, "run", full)
    state = await bench.step("1b")
    lost = "at least 12,345 bytes of its output lost: the disk of its run directory is full"
    assert state.step("1b").outcome is e.Outcome.FAILED
    assert state.step("1b").reason == f"exit 0, but backup.path isn't recorded: {lost}"
    assert "backup.path" not in state.facts
    (ended,) = bench.heard.of(e.RunEnded)
    assert ended.output_lost == lost
    assert lost.encode() in b"".join(one.data for one in bench.heard.of(Output))
    state = await bench.step("1a")
    assert state.step("1a").reason == f"exit 0; {lost}"
    assert state.step("1a").outcome is e.Outcome.SUCCEEDED
