"""200 windows whose engine, screen, sshd or link fails: one launch, one outcome, every byte."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.soak.checking import wrongs
from tests.soak.plan import Kind, plan
from tests.soak.playing import Played, play_round
from tests.soak.rounds import play

SEED = int(os.environ.get("OPTIBID_SOAK_SEED", "20261124"))
WINDOWS = int(os.environ.get("OPTIBID_SOAK", "200"))
LINKS = int(os.environ.get("OPTIBID_SOAK_LINKS", "10"))

pytestmark = [
    pytest.mark.server("sshd"),
    pytest.mark.server("network namespaces"),
    pytest.mark.alone,  # its faults come by the clock, while the commands run
]


def told(played: list[Played], took_s: float) -> str:
    befell: Counter[Kind] = sum((one.befell for one in played), Counter())
    counts = ", ".join(f"{befell[kind]} × {kind}" for kind in Kind)
    under_way = sum(one.under_way for one in played)
    terminals = sum(one.window.terminal for one in played)
    return (
        f"{len(played)} windows (seed {SEED}, {terminals} with a terminal) in {took_s:.0f} s: "
        f"{counts}; {under_way} of these while a run was on"
    )


async def test_whatever_is_killed_or_cut_there_is_one_launch_one_outcome_and_every_byte() -> None:
    room = Path(tempfile.mkdtemp(prefix="oc-soak-"))  # a socket's path has room for 107 bytes
    began = time.monotonic()
    played = await play(plan(SEED, WINDOWS, LINKS), room, play_round, wrongs)
    sys.stderr.write(f"{told(played, time.monotonic() - began)}\n")
    said = [
        f"window {one.window.number}: {'; '.join(one.wrongs)}\n"
        f"  its faults: {dict(one.befell)}\n  kept: {one.path}"
        for one in played
        if one.wrongs
    ]
    assert not said, f"seed {SEED}, {len(said)} of {len(played)} windows:\n" + "\n".join(said)
    assert sum(one.checked for one in played) == WINDOWS
    assert all(sum(one.befell.values()) for one in played)
    assert sum(one.under_way > 0 for one in played) > WINDOWS / 2
    shutil.rmtree(room)
