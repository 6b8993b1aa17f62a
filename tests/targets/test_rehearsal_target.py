"""The wall around a target in a rehearsal, tried directly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optibid_console.runbook.model import Runbook, TargetSpec, Window
from optibid_console.targets import open_targets
from optibid_console.targets.local import LocalTarget
from optibid_console.targets.rehearsal import RehearsalTarget, check_rehearsed, for_probes
from optibid_console.targets.target import (
    Ending,
    Launched,
    LaunchRefused,
    OutputChunk,
    RunEnd,
    RunSpec,
    Target,
    TargetError,
)
from probes.probe import HostError

READ = RunSpec("w1-look-1", "cat kept; echo looked", 1, 20.0, window="w1", read_only=True)
CHANGE = replace(READ, run_id="w1-change-1", command="rm kept", read_only=False)


@pytest.fixture
def inner(tmp_path: Path) -> LocalTarget:
    (tmp_path / "kept").write_text("precious\n")
    return LocalTarget(
        TargetSpec("app-1", kind="local", run_dir=str(tmp_path / "runs"), cwd=str(tmp_path))
    )


@pytest.fixture
def walled(inner: LocalTarget) -> RehearsalTarget:
    return RehearsalTarget(inner, "w1")


async def run_of(target: RehearsalTarget, spec: RunSpec) -> list[Any]:
    return [one async for one in target.run(spec)]


async def test_what_is_not_marked_read_only_is_refused_and_leaves_nothing(
    walled: RehearsalTarget, tmp_path: Path
) -> None:
    for attempt in (walled.launch(CHANGE), run_of(walled, CHANGE)):
        with pytest.raises(LaunchRefused) as refused:
            await attempt
        assert str(refused.value) == (
            "rehearsal: w1-change-1 on app-1 isn't marked read-only, so it wasn't started"
        )
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]


async def test_a_read_is_launched_followed_and_asked_for(walled: RehearsalTarget) -> None:
    assert await walled.launch(READ)
    said = b"".join([one.data async for one in walled.follow(READ.run_id, 0)])
    assert said == b"precious\nlooked\n"
    end = await walled.ended(READ.run_id)
    assert end is not None
    assert (end.ending, end.exit_status) == (Ending.EXITED, 0)
    events = await run_of(walled, replace(READ, run_id="w1-look-2"))
    assert (type(events[0]), type(events[-1])) == (Launched, RunEnd)
    printed = b"".join(one.data for one in events if isinstance(one, OutputChunk))
    assert printed == b"precious\nlooked\n"


@pytest.mark.parametrize(
    "touch",
    [
        lambda target: target.launch(replace(READ, run_id="w2-look-1")),
        lambda target: target.cancel("w2-deploy-1", 0.1),
        lambda target: target.ended("w2-deploy-1"),
        lambda target: anext(target.follow("w2-deploy-1", 0)),
    ],
)
async def test_another_window_s_run_is_never_touched(
    walled: RehearsalTarget, tmp_path: Path, touch: Callable[[Target], Any]
) -> None:
    with pytest.raises(LaunchRefused, match="is another window's run"):
        await touch(walled)
    assert not (tmp_path / "runs").exists()


async def test_nothing_is_cleaned(inner: LocalTarget, tmp_path: Path) -> None:
    await inner.launch(replace(READ, run_id="w0-old-1", window="w0"))
    async for _ in inner.follow("w0-old-1", 0):
        pass
    before = sorted(str(one) for one in tmp_path.rglob("*"))
    assert await RehearsalTarget(inner, "w1").clean() == 0
    assert sorted(str(one) for one in tmp_path.rglob("*")) == before


async def test_short_commands_and_connections_are_the_probes_alone(
    walled: RehearsalTarget,
) -> None:
    async def streamed() -> None:
        async with walled.stream("rm kept"):
            pass

    for attempt in (
        walled.execute("rm kept", timeout_s=5), streamed(),
        walled.reach("db-1", 5432), walled.reach_socket("/run/x"),
    ):  # fmt: skip
        with pytest.raises(HostError, match=r"^rehearsal: .* isn't let through to app-1$"):
            await attempt
    done = await for_probes(walled).execute("cat kept", timeout_s=10)
    assert done.stdout == b"precious\n"


async def test_every_target_of_a_rehearsal_is_behind_the_wall() -> None:
    specs = {
        "app-1": TargetSpec("app-1", host="app-1.example"),
        "db": TargetSpec("db", kind="container", container="db", on="app-1"),
    }
    runbook = Runbook(Window("w", "1"), targets=specs)
    walled, real = open_targets(runbook, print, "w1"), open_targets(runbook, print)
    assert sorted(walled) == ["app-1", "db", "local"]
    check_rehearsed(walled)
    with pytest.raises(TargetError, match="local would be real"):
        check_rehearsed({**walled, "local": real["local"]})
    for one in (*walled.values(), *real.values()):
        await one.close()
