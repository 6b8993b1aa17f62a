"""What the soak does, drawn from a seed before anything starts. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

ROUND_WINDOWS = 5
"""So many windows share a link at a time, and what happens to it."""
_MEET_THE_LAUNCH = 0.25


class Kind(StrEnum):
    """What goes wrong."""

    ENGINE = "engine killed"
    SCREEN = "screen killed"
    SSHD = "sshd killed"
    CUT_1S = "link cut for 1 s"
    CUT_10S = "link cut for 10 s"
    CUT_LONG = "link cut for longer than the run"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    kind: Kind
    launching: bool
    """Whether it may meet the launch: counted from when the screens attach. Otherwise from when
    the command runs, a link's from when the first one of its windows does."""
    at_s: float
    lasts_s: float
    """Until the link is back, or what was killed is started again."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Output of the command, and a pause after it."""

    first_line: int
    lines: int
    binary: bytes
    pause_s: float


@dataclass(frozen=True, slots=True)
class Window:
    """One window of the soak: its command and what goes wrong with its own processes."""

    number: int
    pieces: tuple[Piece, ...]
    exit_status: int
    terminal: bool
    """Whether a person's terminal is attached as well."""
    faults: tuple[Fault, ...]

    def command(self) -> str:
        """Shell text: prints numbered lines, and bytes that are no text, on stdout and stderr."""
        steps = []
        for number, piece in enumerate(self.pieces):
            last = piece.first_line + piece.lines - 1
            octal = "".join(f"\\{one:03o}" for one in piece.binary)
            steps.append(f"seq {piece.first_line} {last}")
            steps.append(f"printf '{octal}'" + (" >&2" if number % 2 else ""))
            steps.append(f"sleep {piece.pause_s:.3f}")
        return "\n".join([*steps, f"printf 'the end of {self.number}'", f"exit {self.exit_status}"])


@dataclass(frozen=True, slots=True)
class Round:
    """Windows that run at the same time over one link, and what happens to the link."""

    windows: tuple[Window, ...]
    faults: tuple[Fault, ...]


def plan(seed: int, windows: int, links: int) -> tuple[tuple[Round, ...], ...]:
    """The rounds of each link. Every window has one to three faults, its link's included."""
    chance = random.Random(seed)
    rounds: list[list[Round]] = [[] for _ in range(links)]
    numbers = list(range(1, windows + 1))
    kinds: list[Kind | None] = []
    for index, start in enumerate(range(0, windows, ROUND_WINDOWS)):
        if not kinds:  # each as often as the others, in an order of chance
            kinds = [None, Kind.SSHD, Kind.CUT_1S, Kind.CUT_10S, Kind.CUT_LONG]
            chance.shuffle(kinds)
        chosen = numbers[start : start + ROUND_WINDOWS]
        rounds[index % links].append(_round(chance, chosen, kinds.pop()))
    return tuple(tuple(one) for one in rounds)


def _round(chance: random.Random, numbers: list[int], kind: Kind | None) -> Round:
    pieces = [_pieces(chance) for _ in numbers]
    longest_s = max(sum(one.pause_s for one in some) for some in pieces)
    shortest_s = min(sum(one.pause_s for one in some) for some in pieces)
    link = () if kind is None else (_link_fault(chance, kind, shortest_s, longest_s),)
    windows = [
        Window(
            number,
            some,
            chance.choice((0, 0, 0, 3)),
            chance.random() < 0.04,
            _own_faults(chance, sum(one.pause_s for one in some), len(link)),
        )
        for number, some in zip(numbers, pieces, strict=True)
    ]
    return Round(tuple(windows), link)


def _pieces(chance: random.Random) -> tuple[Piece, ...]:
    run_s = chance.uniform(1.0, 4.0)
    count = chance.randint(2, 6)
    line = 1
    pieces = []
    for _ in range(count):
        lines = chance.randint(1, 600)
        binary = bytes(chance.choice((0, 7, 8, 27, 155, 192, 255)) for _ in range(6)) + b"\n"
        pieces.append(Piece(line, lines, binary, run_s / count))
        line += lines
    return tuple(pieces)


def _link_fault(chance: random.Random, kind: Kind, shortest_s: float, longest_s: float) -> Fault:
    launching = chance.random() < _MEET_THE_LAUNCH
    lasts_s = {Kind.CUT_1S: 1.0, Kind.CUT_10S: 10.0, Kind.CUT_LONG: longest_s + 2.0}
    at_s = chance.uniform(0.2, 0.8) * shortest_s
    return Fault(kind, launching, at_s, lasts_s.get(kind, 0.0) or chance.uniform(0.0, 1.0))


def _own_faults(chance: random.Random, run_s: float, others: int) -> tuple[Fault, ...]:
    count = chance.randint(1 - others, 3 - others)
    drawn = (
        Fault(
            chance.choice((Kind.ENGINE, Kind.SCREEN)),
            chance.random() < _MEET_THE_LAUNCH,
            chance.uniform(0.0, run_s * 0.8),
            chance.uniform(0.0, 1.0),
        )
        for _ in range(count)
    )
    return tuple(drawn)
