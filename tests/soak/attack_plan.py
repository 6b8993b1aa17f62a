"""What the attacked soak does, drawn from a seed: what of which run dies, and when. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product

from tests.soak.plan import ROUND_WINDOWS, Fault, Kind, Piece, Round, Window

TIMEOUT_S = 10.0
"""The step's. Its command takes less than half of it."""
GRACE_S = 30.0
"""After the timeout: by then every run has its outcome."""


class On(StrEnum):
    """Where the command runs."""

    LOCAL = "local"
    SSH = "ssh"
    CONTAINER = "container"
    FAR_CONTAINER = "container over ssh"


class Victim(StrEnum):
    """What is destroyed: one process, killed with SIGKILL, or the run's directory."""

    COMMAND = "command"
    INNER = "inner shell"
    WRAPPER = "wrapper"
    SINK = "sink"
    DD = "dd"
    TAIL = "tail"
    FOLLOW = "follow shell"
    WATCHER = "follow shell's watcher"
    LAUNCHER = "launcher"
    """While it launches; later the same process is the follow shell."""
    REMOVED = "directory removed"
    RENAMED = "directory renamed"
    EMPTIED = "directory emptied"


DIRECTORY = (Victim.REMOVED, Victim.RENAMED, Victim.EMPTIED)


@dataclass(frozen=True, slots=True)
class AttackedWindow(Window):
    """A window whose step records its last line, and what is destroyed in it."""

    on: On = On.LOCAL
    victim: Victim = Victim.COMMAND
    attack_at_s: float = 0.0
    """After the command began; of the launcher after its number is known."""
    done: str = ""
    """The file in which the command notes its exit status right before its end."""

    def noting(self, done: str) -> AttackedWindow:
        """The same window, whose command notes its exit status there."""
        return replace(self, done=done)

    @property
    def fact(self) -> str:
        """The command's last line."""
        return f"release {self.number} of {self.pieces[-1].first_line}"

    def command(self) -> str:
        # a printf of the shell itself: the last line is written in one piece
        steps = super(AttackedWindow, self).command().splitlines()[:-2]
        steps.append(f"printf '%s\\n' '{self.fact}'")
        if self.done:
            steps.append(f"echo {self.exit_status} >>{self.done}")
        return "\n".join([*steps, f"exit {self.exit_status}"])


def attack_plan(seed: int, windows: int, links: int) -> tuple[tuple[Round, ...], ...]:
    """The rounds of each link. Every victim is attacked on every kind of target about equally
    often; one window in four also loses its engine or its screen, one round in four its link."""
    chance = random.Random(seed)
    pairs: list[tuple[Victim, On]] = []
    rounds: list[list[Round]] = [[] for _ in range(links)]
    for index, start in enumerate(range(1, windows + 1, ROUND_WINDOWS)):
        some = []
        for number in range(start, min(start + ROUND_WINDOWS, windows + 1)):
            if not pairs:
                pairs = list(product(Victim, On))
                chance.shuffle(pairs)
            some.append(_window(chance, number, *pairs.pop()))
        rounds[index % links].append(Round(tuple(some), _link_faults(chance)))
    return tuple(tuple(one) for one in rounds)


def _window(chance: random.Random, number: int, victim: Victim, on: On) -> AttackedWindow:
    run_s = chance.uniform(2.0, 3.5)
    launching = victim is Victim.LAUNCHER
    at_s = chance.uniform(0.0, 0.1) if launching else chance.uniform(0.0, run_s * 0.4)
    own = ()
    if chance.random() < 0.25:
        kind = chance.choice((Kind.ENGINE, Kind.SCREEN))
        own = (Fault(kind, False, chance.uniform(0.0, run_s * 0.8), chance.uniform(0.0, 1.0)),)
    return AttackedWindow(
        number, _pieces(chance, run_s), chance.choice((0, 0, 0, 3)), False, own, on, victim, at_s
    )


def _pieces(chance: random.Random, run_s: float) -> tuple[Piece, ...]:
    count = chance.randint(2, 6)
    pieces, line = [], 1
    for _ in range(count):
        lines = chance.randint(1, 300)
        pieces.append(Piece(line, lines, bytes(chance.choices(b"\x00\x07\x1b\xff", k=4)) + b"\n",
                            run_s / count))  # fmt: skip
        line += lines
    return tuple(pieces)


def _link_faults(chance: random.Random) -> tuple[Fault, ...]:
    if chance.random() >= 0.25:
        return ()
    kind = chance.choice((Kind.SSHD, Kind.CUT_1S))
    return (Fault(kind, False, chance.uniform(0.2, 1.0), 1.0),)
