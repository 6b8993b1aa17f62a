"""Gates in a running engine: asked, voted, confirmed by somebody else, timed out, passed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.state import StepStatus
from tests.engine.bench import Bench, Screen
from tests.engine.conftest import StartEngine

DEPLOY = "phase:deploy"
ACTIONS = """
[[actions]]
id = "forward"
title = "Forward again"
key = "f6"
uses = ["1b", "2a"]

[[actions]]
id = "page-off"
title = "Maintenance page off"
key = "f5"
gate = { second_person = true }

[[actions.steps]]
id = "P1"
title = "Take it away"
on = "local"
run = "echo away >> page; echo gone"

[[actions.steps]]
id = "P2"
title = "Reload"
on = "local"
run = "echo reloaded >> page"

[[criteria]]
id = "load"
"""


@pytest.fixture
def gated(tmp_path: Path, start_engine: StartEngine) -> Any:
    """Starts an engine whose second phase has this gate, and which has more actions."""

    def start(gate: str) -> Any:
        config = tmp_path / "config.toml"
        text = config.read_text().replace('at = "T-30m"\n', f'at = "T-30m"\ngate = {gate}\n')
        text = text.replace('\n[[criteria]]\nid = "load"\n', ACTIONS)
        config.write_text(f'signoffs = ["QA Lead", "DBA"]\n{text}')
        return start_engine()

    return start


async def to_the_gate(bench: Bench) -> None:
    await bench.step("1a")
    await bench.step("1b")


async def refused(bench: Bench, command: c.Command, screen: Screen | None = None) -> str:
    reply = await bench.do(command, screen)
    assert isinstance(reply, c.Refused), reply
    return reply.why


async def accepted(bench: Bench, command: c.Command, screen: Screen | None = None) -> None:
    reply = await bench.do(command, screen)
    assert isinstance(reply, c.Accepted), reply


async def test_votes_carry_what_was_seen_and_let_the_phase_begin(gated: Any) -> None:
    async with gated('{ signoffs = ["QA Lead", "DBA"] }') as bench:
        await to_the_gate(bench)
        await bench.until(lambda state: state.gates[DEPLOY].opened_at)
        assert "waits for QA Lead's go, DBA's go" in await refused(bench, c.RunStep("2a"))
        await bench.until(lambda state: state.criteria["load"].verdict is e.Verdict.PASS)
        await accepted(bench, c.CallPoll("deploy?", DEPLOY))
        for role in ("QA Lead", "DBA"):
            await accepted(bench, c.CastVote("poll1", role, e.Vote.GO, "looks well"))
        vote = bench.state.polls["poll1"].votes["DBA"]
        assert vote.seen["panel.load"] == "10 ok"
        assert vote.seen["criterion.load"].startswith("pass: ")
        assert vote.seen["criterion.flag"].startswith("inconclusive: ")
        await bench.step("2a")
        passed = bench.heard.of(e.GatePassed)
        assert [one.gate for one in passed] == [DEPLOY]
        assert passed[0].grounds[0].startswith("QA Lead go at ")
        kinds = [type(one.fact) for one in bench.heard.entries]
        assert kinds.index(e.GatePassed) < kinds.index(e.StepStarted, kinds.index(e.PollCalled))


async def test_a_no_go_holds_the_window_and_is_asked_anew(gated: Any) -> None:
    async with gated('{ signoffs = ["QA Lead"] }') as bench:
        await to_the_gate(bench)
        await accepted(bench, c.CallPoll("deploy?", DEPLOY))
        await accepted(bench, c.CastVote("poll1", "QA Lead", e.Vote.NO_GO, "p95 doubled"))
        assert bench.state.hold is not None
        assert bench.state.hold.reason == "QA Lead says no-go for Deploy: p95 doubled"
        await accepted(bench, c.Resume("they fixed it"))
        assert "p95 doubled" in await refused(bench, c.RunStep("2a"))
        await accepted(bench, c.OpenGate(DEPLOY))
        assert bench.state.polls["poll1"].result == "no-go"
        await accepted(bench, c.CallPoll("and now?", DEPLOY))
        await accepted(bench, c.CastVote("poll2", "QA Lead", e.Vote.GO))
        await bench.step("2a")


async def test_a_second_person_is_another_screen_under_another_name(gated: Any) -> None:
    async with gated("{ second_person = true }") as bench:
        await to_the_gate(bench)
        await bench.until(lambda state: state.gates[DEPLOY].opened_at)
        other, twin = Screen("oncall-2", "watch"), Screen("oncall-1", "watch")
        twin.id = "screen-of-the-same-name"
        for screen in (other, twin):
            await bench.engine.joined(screen)
        confirm = c.ConfirmGate(DEPLOY, "I looked at it")
        assert "a second person has to confirm" in await refused(bench, confirm)
        assert "a second person has to confirm" in await refused(bench, confirm, twin)
        assert "only watches" in await refused(bench, c.RunStep("2a"), other)
        await accepted(bench, confirm, other)
        await bench.step("2a")
        (passed,) = bench.heard.of(e.GatePassed)
        assert passed.grounds[0].startswith("oncall-2 confirmed at ")


async def test_a_timeout_is_recorded_and_holds_the_window(gated: Any) -> None:
    async with gated('{ signoffs = ["DBA"], timeout = "300ms", on_timeout = "no-go" }') as bench:
        await to_the_gate(bench)
        state = await bench.until(lambda state: state.hold is not None)
        assert state.hold.reason == "the gate of Deploy timed out, without DBA's go"
        assert bench.heard.of(e.GateTimedOut) == [e.GateTimedOut(DEPLOY, "no-go", ("DBA's go",))]
        await accepted(bench, c.Resume())
        assert "that means no-go" in await refused(bench, c.RunStep("2a"))


async def test_an_action_of_the_runbook_is_asked_each_time_and_does_all_its_commands(
    gated: Any,
) -> None:
    async with gated("{ second_person = true }") as bench:
        start = c.StartAction("page-off", "page-off")
        assert "waits for a second person" in await refused(bench, start)
        await accepted(bench, c.OpenGate("action:page-off"))
        other = Screen("oncall-2", "watch")
        await bench.engine.joined(other)
        await accepted(bench, c.ConfirmGate("action:page-off"), other)
        await accepted(bench, start)
        await bench.until(lambda state: state.actions["page-off1"].outcome)
        assert (bench.room / "page").read_text() == "away\nreloaded\n"
        assert "waits for a second person" in await refused(bench, start)


async def test_back_forward_and_back_again(gated: Any) -> None:
    async with gated('{ criteria = ["load"] }') as bench:
        await to_the_gate(bench)
        await bench.until(lambda state: state.criteria["load"].verdict is e.Verdict.PASS)
        await bench.step("2a")
        (bench.room / "may-roll-back").touch()

        async def back(number: int) -> None:
            await accepted(bench, c.StartAction("rollback", "rollback"))
            await bench.until(lambda state: state.runs[state.last_run].step_id == "R2")
            await accepted(bench, c.RunStep("R2"))
            await bench.until(lambda state: state.actions[f"rollback{number}"].outcome)

        await back(1)
        assert bench.state.step("2a").status is StepStatus.UNDONE
        assert not (bench.room / "flag").exists()
        assert "nothing to do" in await refused(bench, c.StartAction("rollback", "rollback"))
        await accepted(bench, c.StartAction("forward", "forward"))
        await bench.until(lambda state: state.actions["forward1"].outcome)
        assert bench.state.actions["forward1"].steps == ("2a",)
        assert (bench.room / "flag").exists()
        await back(2)
        assert not (bench.room / "flag").exists()


async def test_a_jump_skips_opens_again_and_says_why(gated: Any) -> None:
    async with gated('{ criteria = ["load"] }') as bench:
        await accepted(bench, c.Jump("1b", "said hello on the phone"))
        assert bench.state.step("1a").reason == "jumped to 1b: said hello on the phone"
        await bench.step("1b")
        assert "2a Raise the flag, perhaps and 1 more required step" in await refused(
            bench, c.Jump("3a", "hurry")
        )
        await accepted(bench, c.Jump("1a", "after all"))
        state = await bench.step("1a")
        assert (state.step("1a").status, state.step("1b").status) == (
            StepStatus.DONE, StepStatus.PENDING,
        )  # fmt: skip
        jumped = bench.heard.of(e.Jumped)
        assert jumped == [
            e.Jumped("1b", "said hello on the phone", ("1a",)),
            e.Jumped("1a", "after all", (), ("1a", "1b")),
        ]


async def test_why_a_step_is_tried_again_is_recorded(gated: Any) -> None:
    async with gated('{ criteria = ["load"] }') as bench:
        (bench.room / "broken").touch()
        await to_the_gate(bench)
        await bench.until(lambda state: state.criteria["load"].verdict is e.Verdict.PASS)
        await bench.step("2a")
        (bench.room / "broken").unlink()
        await accepted(bench, c.RunStep("2a", "the broken file is gone"))
        await bench.until(lambda state: state.step("2a").status is StepStatus.DONE)
        assert bench.heard.of(e.StepStarted)[-1].reason == "the broken file is gone"


async def test_a_gate_of_criteria_times_out_asks_and_opens_when_they_pass_after_all(
    gated: Any,
) -> None:
    async with gated('{ criteria = ["load"], timeout = "400ms", on_timeout = "ask" }') as bench:
        (bench.room / "load").write_text("400\n")
        await to_the_gate(bench)
        await bench.until(lambda state: state.criteria["load"].verdict is e.Verdict.FAIL)
        await bench.until(lambda state: state.gates[DEPLOY].timed_out_at)
        (timed_out,) = bench.heard.of(e.GateTimedOut)
        assert timed_out.missing[0].startswith("“Load over 100” to pass (it is ")
        assert bench.state.hold is None, "it asks: nothing is held"
        assert "press g to say how to go on" in await refused(bench, c.RunStep("2a"))
        decided = c.DecideGate(DEPLOY, "go", " ")
        assert await refused(bench, decided) == "say why"
        (bench.room / "load").write_text("10\n")
        await bench.until(lambda state: state.criteria["load"].verdict is e.Verdict.PASS)
        await bench.step("2a")
        (passed,) = bench.heard.of(e.GatePassed)
        assert passed.grounds == ("“Load over 100” passes",)


async def test_the_operator_goes_after_a_timeout_with_a_reason_in_the_grounds(gated: Any) -> None:
    gate = '{ signoffs = ["DBA"], second_person = true, timeout = "300ms", on_timeout = "ask" }'
    async with gated(gate) as bench:
        await to_the_gate(bench)
        await bench.until(lambda state: state.gates[DEPLOY].timed_out_at)
        await accepted(bench, c.DecideGate(DEPLOY, "wait", "they are on their way"))
        await bench.until(lambda state: len(bench.heard.of(e.GateTimedOut)) == 2)
        await accepted(bench, c.DecideGate(DEPLOY, "go", "nobody else is awake"))
        await bench.step("2a")
        (passed,) = bench.heard.of(e.GatePassed)
        assert passed.grounds == (
            "oncall-1 goes without DBA's go, a second person: nobody else is awake",
        )


async def test_a_gate_that_waits_is_taken_up_by_the_next_engine(
    gated: Any, start_engine: StartEngine
) -> None:
    async with gated('{ signoffs = ["DBA"] }') as bench:
        await to_the_gate(bench)
        await bench.until(lambda state: state.gates[DEPLOY].opened_at)
        opened_at = bench.state.gates[DEPLOY].opened_at
    async with start_engine() as again:
        assert again.state.gates[DEPLOY].opened_at == opened_at
        await accepted(again, c.CallPoll("deploy?", DEPLOY))
        await accepted(again, c.CastVote("poll1", "DBA", e.Vote.GO))
        await again.step("2a")
        assert len(again.heard.of(e.GateOpened)) == 0, "it was asked once"
