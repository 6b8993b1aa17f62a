from __future__ import annotations

from typing import Any

from optibid_console import commands as c
from optibid_console import entries as e


def second_screen(bench: Any) -> Any:
    return type(bench.driver)("oncall-2")


async def test_the_first_who_wants_to_drive_drives(bench: Any) -> None:
    assert bench.state.operator == "oncall-1"
    assert bench.state.epoch == 1


async def test_a_second_screen_is_told_who_drives_and_only_watches(bench: Any) -> None:
    other = second_screen(bench)
    role = await bench.engine.joined(other)
    assert not role.operator
    assert role.holder == "oncall-1"
    reply = await bench.do(c.RunStep("1a"), other)
    assert reply == c.Refused("oncall-1 drives this window; this screen only watches")


async def test_taking_over_needs_a_reason_and_raises_the_epoch(bench: Any) -> None:
    other = second_screen(bench)
    await bench.engine.joined(other)
    assert isinstance(await bench.do(c.TakeOver(), other), c.Refused)
    assert isinstance(await bench.do(c.TakeOver("her laptop died"), other), c.Accepted)
    assert bench.state.operator == "oncall-2"
    assert bench.state.epoch == 2
    took = bench.heard.of(e.OperatorTook)[-1]
    assert took == e.OperatorTook("oncall-2", 2, "her laptop died", "oncall-1")
    assert isinstance(await bench.do(c.RunStep("1a")), c.Refused)
    told = {who: role.operator for who, role in bench.heard.roles[-2:]}
    assert told == {bench.driver.id: False, other.id: True}


async def test_leaving_gives_the_lease_back_and_leaves_the_window_running(bench: Any) -> None:
    other = second_screen(bench)
    await bench.engine.joined(other)
    await bench.engine.left(bench.driver, clean=False)
    assert bench.state.operator == ""
    assert bench.heard.of(e.OperatorLeft)[-1].how == "connection lost"
    reply = await bench.do(c.RunStep("1a"), other)
    assert reply == c.Refused("nobody drives this window; this screen only watches")
    assert isinstance(await bench.do(c.TakeOver(), other), c.Accepted)
    assert bench.state.operator == "oncall-2"


async def test_a_watcher_that_leaves_changes_nothing(bench: Any) -> None:
    watcher = type(bench.driver)("product", "watch")
    await bench.engine.joined(watcher)
    before = bench.state.operator
    await bench.engine.left(watcher, clean=True)
    assert bench.state.operator == before == "oncall-1"


async def test_a_restarted_engine_ends_the_lease_of_before(start_engine: Any) -> None:
    async with start_engine():
        pass
    async with start_engine() as again:
        assert again.state.epoch == 2
        assert again.heard.of(e.OperatorLeft)[0].how == "the engine ended"


async def test_people_are_recorded_by_name(bench: Any) -> None:
    item_id = bench.state.runbook.checklist[0].items[0].id
    await bench.do(c.MarkItem(item_id, e.Mark.DONE))
    await bench.do(c.Hold("waiting for the DBA"))
    await bench.do(c.Resume("she is here"))
    assert bench.state.items[item_id].by == "oncall-1"
    assert bench.state.hold is None
    assert bench.heard.of(e.Resumed)[0].note == "she is here"
    reply = await bench.do(c.CloseWindow("abandoned", "storm"))
    assert isinstance(reply, c.Accepted)
    assert bench.state.closed == e.WindowClosed("abandoned", "storm")


async def test_an_engine_that_somebody_needs_does_not_end_for_who_is_done(bench: Any) -> None:
    done, bob = c.StopEngine("backup is over", if_idle=True), second_screen(bench)
    await bench.engine.joined(bob)
    assert await bench.do(done) == c.Refused("oncall-2 is attached: the engine goes on")
    await bench.engine.left(bob, clean=True)
    for step_id in ("1a", "1b", "2a"):
        await bench.step(step_id)
    await bench.do(c.RunStep("2b"))
    assert await bench.do(done) == c.Refused("2b is under way: the engine goes on")
    await bench.do(c.Abort())
    await bench.finished("2b")
    assert isinstance(await bench.do(done), c.Accepted)
