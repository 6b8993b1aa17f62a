"""Whatever is asked in a rehearsal, nothing but reads reaches a target."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.demo import configuration
from optibid_console.engine import running
from optibid_console.permit import forced_words
from optibid_console.runbook.load import Loaded, load
from optibid_console.runbook.model import ProbeSpec, Runbook, Step, StepKind
from optibid_console.state import OVER, WindowState
from optibid_console.targets.rehearsal import rehearsed
from probes.probe import Seconds
from tests.engine.recording_target import Recording
from tests.engine.rehearsing import idle, rehearsing
from tests.runbook.test_optibid_config import loaded as shipped


def with_quiet_probes(loaded: Loaded) -> Loaded:
    """The same runbook, whose probes read ok from wherever they look."""
    probes = {
        one.id: ProbeSpec(one.id, "command", on=one.on, every=Seconds(3600),
                          settings={"run": "true"})
        for one in loaded.runbook.probes.values()
    }  # fmt: skip
    return replace(loaded, runbook=replace(loaded.runbook, probes=probes, panels={}, tails={}))


def pool(runbook: Runbook) -> list[c.Command]:
    """Whatever can be asked of an engine that could start or end something."""
    asked: list[c.Command] = [c.Abort(), c.SkipStep(next(runbook.steps())[1].id, "why not")]
    asked += [c.RunStep(step.id) for _, step in runbook.steps()]
    for action in runbook.actions:
        asked.append(c.StartAction(action.id, action.confirm or action.id))
        asked.append(c.StartAction(action.id, forced_words(action), forced=True))
    return asked


def only_by_hand(state: WindowState, step: Step) -> str:
    return "nobody confirms it here" if step.kind is StepKind.MANUAL else ""


def changing(runbook: Runbook) -> set[str]:
    steps = [step for _, step in runbook.steps()]
    steps += [step for action in runbook.actions for step in action.steps]
    return {step.id for step in steps if not step.read_only}


def optibid(tmp_path: Path) -> Loaded:
    return shipped()


def demo(tmp_path: Path) -> Loaded:
    values = ("RELEASE", "SPEED", "DEMO_DIR", "BACKEND_URL", "MARKET_URL", "FRONTEND_URL",
              "PUBLIC_NAME", "DB_HOST", "DB_PORT", "DB_USER", "DB_NAME", "DB_PASSWORD")  # fmt: skip
    text = configuration.WINDOW.read_text().replace("demo.env", str(tmp_path / "demo.env"))
    (tmp_path / "config.toml").write_text(text)
    given = {one: f"value-of-{one.lower()}" for one in values}
    given |= {"SPEED": "24", "DB_PORT": "5432", "BACKEND_URL": "http://127.0.0.1:1",
              "MARKET_URL": "ws://127.0.0.1:1/x", "FRONTEND_URL": "http://127.0.0.1:1",
              "STATUS_PAGE": "127.0.0.1:1"}  # fmt: skip
    (tmp_path / "demo.env").write_text("".join(f"{k}={v}\n" for k, v in given.items()))
    return load(tmp_path / "config.toml", given)


@pytest.mark.parametrize("read", [optibid, demo])
@pytest.mark.parametrize("walks", [True, False], ids=["walking", "launching-all"])
async def test_whatever_is_asked_nothing_but_reads_reaches_a_target(
    read: Callable[[Path], Loaded], walks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not walks:  # as if the engine had forgotten that it rehearses: the wall alone holds
        monkeypatch.setattr(running, "why_walked", only_by_hand)
    loaded = with_quiet_probes(read(tmp_path))
    runbook = loaded.runbook
    inner = {name: Recording(name) for name in ("local", *runbook.targets)}
    asked = pool(runbook)
    chance = random.Random(4)
    async with rehearsing(loaded, tmp_path, lambda window: rehearsed(inner, window)) as bench:
        for command in asked:
            await bench.do(command)
            await bench.until(idle)
        for command in chance.sample(asked, len(asked)):
            await bench.do(command)  # the next one may come while it is under way
        state = await bench.until(idle)
    launched = [spec for one in inner.values() for spec in one.launched]
    assert launched or not walks  # else a refused step may stand before each read
    assert all(spec.read_only for spec in launched)
    started = {fact.run_id: fact.step_id for fact in bench.heard.of(e.StepStarted)}
    assert not {started[spec.run_id] for spec in launched} & changing(runbook)
    touched = {run for one in inner.values() for run in one.touched}
    assert touched <= {spec.run_id for spec in launched}
    if walks:
        assert all(state.step(step.id).status in OVER for _, step in runbook.steps())
        assert not [one for one in bench.heard.of(e.StepFinished)
                    if one.outcome is e.Outcome.REFUSED]  # fmt: skip
