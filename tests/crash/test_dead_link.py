"""A cable that is pulled under a run: noticed within 5 s, and every byte arrives once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optibid_console.commands import RunStep
from optibid_console.entries import Outcome, RunEnded, RunLaunched, RunUnreachable
from optibid_console.signals import Link, Output
from tests.crash.place import Place
from tests.servers.namespaces import Cable
from tests.servers.sshd import Keys, OpenSshServer, ssh_target

pytestmark = [pytest.mark.server("sshd"), pytest.mark.server("network namespaces")]

NOTICED_S = 5.0
COUNTS = "n=0; while [ ! -e enough ]; do n=$((n + 1)); echo $n; sleep 0.02; done; printf end"


@pytest.fixture
def cable() -> Iterator[Cable]:
    cable = Cable()
    yield cable
    cable.remove()


@pytest.fixture
def far_place(room: Path, cable: Cable) -> Iterator[Place]:
    """A window whose step counts, on the far machine, until there is a file `enough`."""
    keys = Keys(room)
    far = cable.far
    sshd = OpenSshServer(keys, address=far.address, prefix=far.prefix)
    keys.know(sshd.port, host=far.address)
    spec = keys.spec(sshd.port, host=far.address)
    place = Place(room, "there", ssh_target(room, spec), COUNTS)
    yield place
    place.clear()
    sshd.stop()


async def test_a_pulled_cable_is_noticed_and_no_byte_is_lost_or_doubled(
    far_place: Any, cable: Cable
) -> None:
    place, loop = far_place, asyncio.get_running_loop()
    engine = await place.engine(prefix=cable.near.prefix)
    async with place.attached() as screen:
        await screen.send(RunStep("1.1"))
        await screen.until(lambda one: b"20\n" in printed(one))
        await asyncio.to_thread(cable.pull)
        pulled_at = loop.time()
        await screen.until(lambda one: facts(one, RunUnreachable))
        await screen.until(lambda one: links(one)[-1] == "reconnecting")
        assert loop.time() - pulled_at < NOTICED_S
        seen = len(printed(screen))
        await asyncio.to_thread(cable.plug)
        await screen.until(lambda one: len(facts(one, RunLaunched)) > 1)
        await screen.until(lambda one: len(printed(one)) > seen)
        (place.path / "enough").touch()
        await screen.until(lambda one: facts(one, RunEnded))
    assert await place.end(engine) == 0
    (ended,) = facts(screen, RunEnded)
    assert ended.outcome is Outcome.SUCCEEDED
    launched, *again = facts(screen, RunLaunched)
    assert not launched.attached
    assert all(one.attached for one in again)
    lines = printed(screen).decode().split("\n")
    assert lines == [*map(str, range(1, len(lines))), "end"]
    assert printed(screen) == place.output(ended.run_id)
    assert place.lines("launches") == 1


def facts(screen: Any, kind: type) -> list[Any]:
    told = (getattr(event, "fact", None) for event in screen.events)
    return [one for one in told if isinstance(one, kind)]


def links(screen: Any) -> list[str]:
    return [one.state for one in screen.events if isinstance(one, Link) and one.target == "there"]


def printed(screen: Any) -> bytes:
    """What the screen got of the run, each piece where the one before ended."""
    got = b""
    for one in screen.events:
        if isinstance(one, Output):
            assert one.offset == len(got)
            got += one.data
    return got
