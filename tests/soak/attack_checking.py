"""What became of an attacked window, held against what can be known of its command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from optibid_console.entries import (
    Entry,
    FactRecorded,
    Outcome,
    RunEnded,
    StepFinished,
    StepStarted,
)
from optibid_console.journal.chain import verify
from optibid_console.journal.file import entries_of
from optibid_console.signals import NOTICE
from tests.soak.attack_plan import DIRECTORY, GRACE_S, TIMEOUT_S, AttackedWindow, Victim
from tests.soak.attacking import Attacked
from tests.soak.checking import bare, events, logs
from tests.soak.victims import Run

_OVERHEAD_S = 1.0
"""Of recording: for the outcome, beyond timeout and grace."""
_NOBODY_KNOWS = {
    Victim.INNER, Victim.WRAPPER, Victim.SINK, Victim.LAUNCHER, *DIRECTORY,
}  # fmt: skip
"""The command's exit status may be lost with these."""
_LOSES_OUTPUT = {Victim.SINK, Victim.DD, *DIRECTORY}
_TOLD = re.compile(r"\b(output|lost|left out|directory|gone)\b")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one attacked run from outside the console."""

    window: AttackedWindow
    struck: bool
    """Whether it was this run that was struck, before its outcome."""
    launches: int
    done: tuple[int, ...]
    """The exit status that the command noted right before its end; empty: it didn't come there."""
    wanted: bytes
    """The output of a bare run."""
    kept: bytes | None
    """What the target keeps of it; None: it keeps nothing any more."""
    late: bool = False
    """Whether the command noted its exit status only after its time was over."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the console says of it."""

    ended: RunEnded
    finished: StepFinished
    recorded: tuple[FactRecorded, ...]
    took_s: float
    """From `StepStarted` to `StepFinished`."""
    shown: bytes
    """The bytes at the last screen, without the console's own notices."""
    notices: str


def attack_wrongs(played: Attacked) -> list[str]:
    """Everything that isn't right, in words; empty when all is."""
    found = [played.problem] if played.problem else []
    found += [f"still there: {one.named()}" for one in played.left]
    if (chain := verify(played.journal)).problem:
        found.append(f"verify: {chain.problem}")
    found += logs(played)
    entries = list(entries_of(played.journal))
    run = _the_run(entries)
    if isinstance(run, str):
        return [*found, run]
    started, ended, finished, took_s = run
    played.outcome = finished.outcome
    facts = _facts(played, ended.run_id, started.at + TIMEOUT_S)
    recorded = tuple(
        one.fact for one in entries if isinstance(one.fact, FactRecorded) and one.seq > started.seq
    )
    shown, notices, torn = _shown(sorted(played.path.glob("screen-*.jsonl"))[-1])
    said = Said(ended, finished, recorded, took_s, shown, notices)
    if torn:
        found.append("the last screen's output is torn: its offsets don't follow each other")
    return [*found, *judged(facts, said)]


def judged(facts: Facts, said: Said) -> list[str]:
    """What the console says of a run that isn't so. Pure."""
    return [*_outcome(facts, said), *_record(facts, said), *_bytes(facts, said)]


def _outcome(facts: Facts, said: Said) -> Iterator[str]:
    ended, outcome, victim = said.ended, said.finished.outcome, facts.window.victim
    as_said = f"{outcome}, exit status {ended.exit_status}, signal {ended.signal!r}: {ended.reason}"
    if said.took_s > TIMEOUT_S + GRACE_S + _OVERHEAD_S:
        yield f"the outcome took {said.took_s:.1f} s"
    unknown_launch = facts.struck and victim is Victim.LAUNCHER and outcome is Outcome.UNKNOWN
    if facts.launches != 1 and not (unknown_launch and facts.launches == 0):
        yield f"{facts.launches} launches, and {as_said}"
    match outcome:
        case Outcome.SUCCEEDED:
            if facts.done != (0,) or ended.exit_status != 0:
                yield f"the command noted {facts.done}, and it is {as_said}"
        case Outcome.FAILED:
            yield from _failed(facts, said, as_said)
        case Outcome.UNKNOWN:
            if not facts.struck or victim not in _NOBODY_KNOWS:
                yield f"the target knows how the command ended ({facts.done}), and it is {as_said}"
            if ended.exit_status is not None or ended.signal:
                yield f"it is both known and not: {as_said}"
            if not ended.reason:
                yield "unknown without a reason"
        case Outcome.TIMED_OUT:
            if (facts.done and not facts.late) or said.took_s < TIMEOUT_S - _OVERHEAD_S:
                yield f"the command ended by itself ({facts.done}), and it is {as_said}"
        case _:
            yield f"nobody asked for that: {as_said}"


def _failed(facts: Facts, said: Said, as_said: str) -> Iterator[str]:
    ended, victim = said.ended, facts.window.victim
    if facts.done == (0,):
        lost = victim in _LOSES_OUTPUT and facts.struck and "output" in said.finished.reason
        if ended.exit_status != 0 or not lost:
            yield f"the command ended with 0, and it is {as_said}"
    elif facts.done:
        if ended.exit_status != facts.done[0]:
            yield f"the command ended with {facts.done[0]}, and it is {as_said}"
    elif victim is Victim.COMMAND:
        if "KILL" not in ended.signal:
            yield f"the command was killed by KILL, and it is {as_said}"
    elif victim is Victim.SINK:
        if "PIPE" not in ended.signal and not ended.exit_status:
            yield f"the command lost its output's reader, and it is {as_said}"
    else:
        yield f"nobody knows how the command ended, and it is {as_said}"


def _record(facts: Facts, said: Said) -> Iterator[str]:
    values = [(one.name, one.value) for one in said.recorded]
    right = [("previous.release", facts.window.fact)]
    if values not in ([], right):
        yield f"recorded {values}, and the command's last line is {facts.window.fact!r}"
    if values and facts.done != (0,):
        yield f"recorded {values} of a command that noted {facts.done}"
    if said.finished.outcome is Outcome.SUCCEEDED and not values:
        yield "succeeded without the fact that it records"


def _bytes(facts: Facts, said: Said) -> Iterator[str]:
    shown, wanted, kept, victim = said.shown, facts.wanted, facts.kept, facts.window.victim
    loses = facts.struck and victim in _LOSES_OUTPUT
    told = _TOLD.search(f"{said.notices} {said.ended.reason}") is not None
    whole = wanted if facts.done else None
    if victim not in (Victim.SINK, Victim.DD) and not wanted.startswith(shown):
        yield f"the {len(shown)} bytes shown aren't the beginning of the {len(wanted)} printed"
    if kept is not None and not loses:
        if not wanted.startswith(kept) or (whole is not None and kept != whole):
            yield f"the target keeps {len(kept)} bytes, not the {len(wanted)} of a bare run"
        if shown != kept:
            yield f"{len(shown)} bytes shown, and {len(kept)} are kept"
        if said.ended.output_bytes != len(kept):
            yield f"the journal counts {said.ended.output_bytes} bytes, and {len(kept)} are kept"
        if "output is lost" in said.notices:
            yield f"nothing was lost, and it is said: {said.notices!r}"
    if loses and whole is not None and shown != whole and not told:
        yield f"{len(shown)} of {len(wanted)} bytes shown, and nobody says so: {said.ended.reason}"
    if loses and kept is not None and shown != kept and not told:
        yield f"{len(shown)} bytes shown, {len(kept)} are kept, and nobody says so"


def _the_run(entries: list[Entry]) -> tuple[Entry, RunEnded, StepFinished, float] | str:
    """The step's last run; what isn't right with the others is said instead."""
    starts = [one for one in entries if isinstance(one.fact, StepStarted)]
    ran = []
    for one in starts:
        run_id = one.fact.run_id  # type: ignore[union-attr]  # a `StepStarted`, as was just seen
        mine = [other for other in entries if getattr(other.fact, "run_id", "") == run_id]
        ends = [other.fact for other in mine if isinstance(other.fact, RunEnded)]
        outcomes = [other for other in mine if isinstance(other.fact, StepFinished)]
        if (len(ends), len(outcomes)) != (1, 1):
            return f"{run_id}: {len(ends)} ends and {len(outcomes)} outcomes"
        finished = outcomes[0].fact
        assert isinstance(finished, StepFinished)
        if finished.outcome is not Outcome.REFUSED:
            ran.append((one, ends[0], finished, outcomes[0].at - one.at))
    return ran[0] if len(ran) == 1 else f"{len(ran)} outcomes of runs, {len(starts)} starts"


def _facts(played: Attacked, run_id: str, limit_at: float) -> Facts:
    launches, done = _lines(played.path / "launches"), _lines(played.path / "done")
    kept, directory = None, played.path / "runs" / run_id
    struck = played.struck and played.run is not None and played.run.directory == directory
    at = Run(directory).away if struck and played.attacked.victim is Victim.RENAMED else directory
    with suppress(FileNotFoundError):
        kept = (at / "out").read_bytes()
    window = played.attacked.noting("")
    late = bool(done) and (played.path / "done").stat().st_mtime >= limit_at
    return Facts(window, struck, len(launches), tuple(map(int, done)), bare(window), kept, late)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _shown(log: Path) -> tuple[bytes, str, bool]:
    """The bytes of output and the notices that a screen showed, and whether something is missing
    between them. Offsets count notices too."""
    got, torn = b"", False
    notices: list[tuple[int, bytes]] = []
    for event in events(log):
        if event["what"] != "output":
            continue
        offset, data = event["offset"], bytes.fromhex(event["data"])
        torn = torn or offset > len(got)
        if event["stream"] == NOTICE and offset >= len(got):
            notices.append((offset, data))
        got += data[max(len(got) - offset, 0) :]
    for offset, data in reversed(notices):
        got = got[:offset] + got[offset + len(data) :]
    return got, b" ".join(one for _, one in notices).decode(errors="replace"), torn
