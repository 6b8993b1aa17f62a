"""A required step waived in a running engine: alone, by two people, and by nobody else."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.state import StepStatus
from tests.engine.bench import Bench, Screen
from tests.engine.conftest import StartEngine


async def stuck(bench: Bench) -> None:
    """2a is required and fails by itself."""
    (bench.room / "broken").touch()
    await bench.step("1b")
    after = await bench.step("2a")
    assert after.step("2a").status is StepStatus.FAILED


async def watcher(bench: Bench, name: str) -> Screen:
    screen = Screen(name, "watch")
    await bench.engine.joined(screen)
    return screen


def why(reply: c.Reply) -> str:
    assert isinstance(reply, c.Refused), reply
    return reply.why


async def test_the_operator_waives_a_step_alone(bench: Bench) -> None:
    await stuck(bench)
    assert "2a Raise the flag" in why(await bench.do(c.RunStep("2b")))
    refused = why(await bench.do(c.WaiveStep("2a", "the flag is fixed to the mast", "yes")))
    assert refused == "type 'waive 2a' to waive it alone"
    assert not bench.heard.of(e.StepWaived)
    done = await bench.do(c.WaiveStep("2a", "the flag is fixed to the mast", "waive 2a"))
    assert isinstance(done, c.Accepted)
    assert bench.heard.of(e.StepWaived) == [
        e.StepWaived("2a", "the flag is fixed to the mast", "oncall-1")
    ]
    assert isinstance(await bench.do(c.RunStep("2b")), c.Accepted)
    await bench.until(lambda state: state.step("2b").status is StepStatus.RUNNING)
    assert bench.state.step("2a").status is StepStatus.WAIVED


async def test_a_second_person_confirms_and_nobody_confirms_their_own(bench: Bench) -> None:
    await stuck(bench)
    bob, double = await watcher(bench, "bob"), await watcher(bench, "Oncall-1 ")
    assert "only watches" in why(await bench.do(c.AskWaiver("2a", "broken"), bob))
    assert "only watches" in why(await bench.do(c.WaiveStep("2a", "x", "waive 2a"), bob))
    assert isinstance(await bench.do(c.AskWaiver("2a", "broken")), c.Accepted)
    confirm = c.ConfirmWaiver("2a", bench.state.seq, "looked at it")
    for screen in (bench.driver, double):
        assert "a second person has to confirm it" in why(await bench.do(confirm, screen))
    assert isinstance(await bench.do(confirm, bob), c.Accepted)
    assert bench.heard.of(e.StepWaived) == [
        e.StepWaived("2a", "broken", "oncall-1", "bob", "looked at it")
    ]


async def test_who_asked_is_no_second_person_after_giving_the_window_away(bench: Bench) -> None:
    await stuck(bench)
    bob = await watcher(bench, "bob")
    await bench.do(c.AskWaiver("2a", "broken"))
    confirm = c.ConfirmWaiver("2a", bench.state.seq)
    assert isinstance(await bench.do(c.TakeOver("shift change"), bob), c.Accepted)
    assert "oncall-1 asked for this waiver" in why(await bench.do(confirm))
    carol = await watcher(bench, "carol")
    assert isinstance(await bench.do(confirm, carol), c.Accepted)


async def test_an_engine_that_starts_again_knows_the_request_and_the_waiver(
    start_engine: StartEngine,
) -> None:
    async with start_engine() as bench:
        await stuck(bench)
        await bench.do(c.AskWaiver("2a", "broken"))
        asked = bench.state.seq
    async with start_engine() as bench:
        bob = await watcher(bench, "bob")
        assert isinstance(await bench.do(c.ConfirmWaiver("2a", asked), bob), c.Accepted)
    async with start_engine() as bench:
        assert bench.state.step("2a").status is StepStatus.WAIVED
        assert bench.state.waived["2a"].second == "bob"


async def test_a_waived_record_is_missing_where_the_rollback_needs_it(bench: Bench) -> None:
    await bench.do(c.WaiveStep("1b", "no disk is free", "waive 1b"))
    await bench.step("2a")
    refused = why(await bench.do(c.StartAction("rollback", "rollback")))
    assert refused == (
        "it needs backup.path, which no step has recorded yet; 1b, which records backup.path, "
        "was waived"
    )
