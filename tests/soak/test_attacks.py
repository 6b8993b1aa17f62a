"""Windows whose run loses one of its processes, or its directory: an outcome in each, and a true
one."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers.docker import DockerServer
from tests.servers.forking import ForkServer
from tests.soak.attack_checking import attack_wrongs
from tests.soak.attack_plan import On, Victim, attack_plan
from tests.soak.attacking import Attacked, Docker, play_attacks
from tests.soak.plan import Round
from tests.soak.playing import Link
from tests.soak.rounds import play

SEED = int(os.environ.get("OPTIBID_SOAK_SEED", "20261124"))
WINDOWS = int(os.environ.get("OPTIBID_ATTACKS", "48"))
LINKS = int(os.environ.get("OPTIBID_SOAK_LINKS", "10"))

pytestmark = [
    pytest.mark.server("sshd"),
    pytest.mark.server("docker"),
    pytest.mark.server("network namespaces"),
    pytest.mark.alone,  # its blows come by the clock, while the commands run
]


@pytest.fixture
def room() -> Iterator[Path]:
    """Kept when a window in it isn't right."""
    made = Path(tempfile.mkdtemp(prefix="oc-soak-"))  # a socket's path has room for 107 bytes
    yield made
    if not list(made.glob("w*")):
        shutil.rmtree(made)


@pytest.fixture
def docker(docker_server: DockerServer, room: Path) -> Docker:
    """A container with processes of its own, which sees the windows' directories."""
    name = f"optibid-console-soak-{os.getpid()}"
    options = ("-v", f"{room}:{room}", "--user", f"{os.getuid()}:{os.getgid()}")
    docker_server.run(name, "import signal; signal.pause()", *options)
    return Docker(docker_server.url, name)


def told(played: list[Attacked], took_s: float) -> str:
    """How often each victim was struck on each kind of target, and how these runs ended."""
    struck = [one for one in played if one.struck]
    times = Counter((one.attacked.victim, one.attacked.on) for one in struck)
    lines = [f"{len(played)} windows (seed {SEED}), {len(struck)} struck, in {took_s:.0f} s"]
    for victim in Victim:
        where = " ".join(f"{times[victim, on]:3} × {on}" for on in On)
        ends = Counter(one.outcome for one in struck if one.attacked.victim is victim)
        how = ", ".join(f"{count} × {end or 'none'}" for end, count in sorted(ends.items()))
        lines.append(f"{victim:24}{where}   {how}")
    return "\n".join(lines)


async def test_whatever_of_a_run_is_destroyed_its_window_has_one_true_outcome(
    room: Path, docker: Any
) -> None:
    async def play_round(
        link: Link, one: Round, room: Path, forks: ForkServer, environ: Mapping[str, str]
    ) -> list[Attacked]:
        return await play_attacks(link, one, room, forks, environ, docker)

    began = time.monotonic()
    played = await play(attack_plan(SEED, WINDOWS, LINKS), room, play_round, attack_wrongs)
    sys.stderr.write(f"{told(played, time.monotonic() - began)}\n")
    said = [
        f"window {one.window.number} ({one.attacked.victim}, {one.attacked.on}, "
        f"{'struck' if one.struck else 'not struck'}): {'; '.join(one.wrongs)}\n"
        f"  its other faults: {dict(one.befell)}\n  kept: {one.path}"
        for one in played
        if one.wrongs
    ]
    assert not said, f"seed {SEED}, {len(said)} of {len(played)} windows:\n" + "\n".join(said)
    assert sum(one.checked for one in played) == WINDOWS
    assert sum(one.struck for one in played) > WINDOWS * 0.8
