"""The shell that launches a run is killed on the target: the run never starts twice, and what
isn't known is never called done.

Programs that kill the shells above them stand before the real ones on the target's PATH.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from optibid_console.commands import Refused, RunStep
from optibid_console.entries import Outcome, RunEnded, RunLaunched, StepFinished
from optibid_console.journal.chain import verify
from optibid_console.state import ACTIVE, StepStatus
from tests.crash.conftest import LOCAL_AND_SSH
from tests.crash.place import Place
from tests.servers.sshd import Keys, OpenSshServer, ssh_target

KILLER = """#!/bin/sh
kill_shells_above() {{
  above=$PPID
  while [ "$({cat} /proc/$above/comm)" = sh ]; do
    set -- $({cat} /proc/$above/stat)
    kill -KILL "$above"
    above=$4
  done
}}
case " $* " in
  *runs/.epochs/*) ;;
  *{room}/runs/*)
    if {mkdir} {room}/killed 2>/dev/null; then
      {then}
      exit 1
    fi ;;
esac
exec {real} "$@"
"""


@dataclass(frozen=True)
class Instant:
    """When the shell is killed, and what has to be known of the run then."""

    program: str
    then: str
    launches: int
    outcome: Outcome


INSTANTS = {
    "before the claim": Instant("mkdir", "kill_shells_above", 0, Outcome.REFUSED),
    "after the claim": Instant("mkdir", '{real} "$@"; kill_shells_above', 0, Outcome.REFUSED),
    "before the command": Instant("setsid", "kill_shells_above", 0, Outcome.UNKNOWN),
    "after the command has begun": Instant(
        "setsid", '(kill_shells_above); exec {real} "$@"', 1, Outcome.SUCCEEDED
    ),
}


@pytest.fixture(params=list(INSTANTS))
def instant(room: Path, request: pytest.FixtureRequest) -> Instant:
    instant = INSTANTS[request.param]
    tools = {name: shutil.which(name) for name in ("cat", "mkdir", instant.program)}
    real = tools[instant.program]
    killer = room / "path" / instant.program
    killer.parent.mkdir()
    given = {"room": room, "real": real, "cat": tools["cat"], "mkdir": tools["mkdir"]}
    killer.write_text(KILLER.format(then=instant.then.format(real=real), **given))
    killer.chmod(0o755)
    return instant


@pytest.fixture(params=LOCAL_AND_SSH)
def deadly_place(
    room: Path, instant: Instant, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A window whose step's target has the killer first on its PATH."""
    path = f"{room / 'path'}:{os.environ['PATH']}"
    if request.param == "local":
        monkeypatch.setenv("PATH", path)
        place = Place(room)
        yield place
        place.clear()
        return
    keys = Keys(room)
    sshd = OpenSshServer(keys, f"SetEnv PATH={path}")
    keys.know(sshd.port)
    place = Place(room, "there", ssh_target(room, keys.spec(sshd.port)))
    yield place
    place.clear()
    sshd.stop()


async def test_a_launch_whose_shell_is_killed_happens_once_or_not_at_all(
    deadly_place: Any, instant: Instant
) -> None:
    place = deadly_place
    first = await place.engine()
    async with place.attached() as screen:
        await screen.send(RunStep("1.1"))
        await screen.until(lambda one: one.state.step("1.1").status not in ACTIVE)
        assert (place.path / "killed").exists()
    assert await place.end(first) == 0
    ended = settled_once(place, instant)
    again = await place.engine()
    async with place.attached() as screen:
        assert screen.state.step("1.1").outcome is instant.outcome
        if instant.outcome is Outcome.REFUSED:  # known not to have begun: so it can begin
            await screen.send(RunStep("1.1"))
            await screen.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
            assert place.lines("launches") == 1
        elif instant.outcome is Outcome.SUCCEEDED:
            assert isinstance(await screen.send(RunStep("1.1")), Refused)
            assert place.output(ended.run_id) == place.bare()
    assert await place.end(again) == 0
    assert place.lines("launches") == (instant.outcome is not Outcome.UNKNOWN)
    assert verify(place.journal).problem == ""


def settled_once(place: Any, instant: Instant) -> RunEnded:
    """The run's one end, which says what is known of it."""
    assert place.lines("launches") == instant.launches
    (ended,), (finished,) = (
        [one.fact for one in place.facts(kind)] for kind in (RunEnded, StepFinished)
    )
    assert (ended.outcome, finished.outcome) == (instant.outcome, instant.outcome)
    if instant.outcome is Outcome.REFUSED:
        assert "nothing was started" in finished.reason
        assert not place.facts(RunLaunched)
    if instant.outcome is Outcome.UNKNOWN:
        assert "without an exit status" in finished.reason
    return ended
