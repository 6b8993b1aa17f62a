"""What became of a played window, held against what has to be: launches, outcomes, every byte."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optibid_console.entries import Outcome, RunEnded, StepFinished, StepStarted
from optibid_console.journal.chain import verify
from optibid_console.journal.file import entries_of
from optibid_console.state import fold
from tests.soak.plan import Window
from tests.soak.playing import Played


def bare(window: Window) -> bytes:
    """What its command prints when nobody is between, without its pauses."""
    return subprocess.run(
        ["/bin/sh", "-c", f"sleep() {{ :; }}\n{window.command()}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ).stdout  # fmt: skip


def wrongs(played: Played) -> list[str]:
    """Everything that isn't right, in words; empty when all is."""
    if played.problem:
        return [played.problem]
    wanted = bare(played.window)
    return [*_journal(played, wanted), *_screens(played, wanted), *logs(played)]


def _journal(played: Played, wanted: bytes) -> Iterator[str]:
    chain = verify(played.journal)
    if chain.problem:
        yield f"verify: {chain.problem}"
    launches = (played.path / "launches").read_text().splitlines()
    if len(launches) != 1:
        yield f"{len(launches)} launches"
    facts = [one.fact for one in entries_of(played.journal)]
    ran = []
    for started in (one for one in facts if isinstance(one, StepStarted)):
        mine = [one for one in facts if getattr(one, "run_id", "") == started.run_id]
        ends = [one for one in mine if isinstance(one, RunEnded)]
        outcomes = [one for one in mine if isinstance(one, StepFinished)]
        if (len(ends), len(outcomes)) != (1, 1):
            yield f"{started.run_id}: {len(ends)} ends and {len(outcomes)} outcomes"
            return
        if outcomes[0].outcome is not Outcome.REFUSED:
            ran.append(ends[0])
    if len(ran) != 1:
        yield f"{len(ran)} outcomes of runs: {ran}"
        return
    yield from _end(played, ran[0], wanted)


def _end(played: Played, ended: RunEnded, wanted: bytes) -> Iterator[str]:
    status = played.window.exit_status
    outcome = Outcome.FAILED if status else Outcome.SUCCEEDED
    if (ended.outcome, ended.exit_status) != (outcome, status):
        yield f"outcome {ended.outcome}, exit status {ended.exit_status}: {ended.reason}"
    step = fold(entries_of(played.journal)).step("1.1")
    if (step.outcome, step.run_id) != (outcome, ended.run_id):
        yield f"the window says {step.outcome} of {step.run_id}"
    kept = (played.path / "runs" / ended.run_id / "out").read_bytes()
    if kept != wanted:
        yield f"the target keeps {len(kept)} bytes that differ from the {len(wanted)} of a bare run"
    if ended.output_bytes != len(wanted):
        yield f"the journal counts {ended.output_bytes} bytes, not {len(wanted)}"
    if ended.last_lines[-1:] != (f"the end of {played.window.number}",):
        yield f"last lines {ended.last_lines}"


def _screens(played: Played, wanted: bytes) -> Iterator[str]:
    logs = sorted(played.path.glob("screen-*.jsonl"))
    for log in logs:
        got, lost, doubled = seen(log)
        if lost:
            yield f"{log.name}: {lost} bytes lost"
        if doubled:
            yield f"{log.name}: {doubled} bytes doubled"
        whole = log == logs[-1]
        if (got != wanted) if whole else not wanted.startswith(got):
            yield f"{log.name}: its {len(got)} bytes differ from the {len(wanted)} of a bare run"


def seen(log: Path) -> tuple[bytes, int, int]:
    """The bytes of output that a screen showed, how many it lost, and how many an engine sent
    it twice. An engine that was started again sends from the beginning: the screen goes on
    where it was, by their offsets."""
    got = b""
    lost = doubled = following = 0
    for event in events(log):
        if event["what"] == "lost":
            following = 0
        if event["what"] != "output":
            continue
        offset, data = event["offset"], bytes.fromhex(event["data"])
        doubled += max(following - offset, 0)
        lost += max(offset - len(got), 0)
        following = offset + len(data)
        got += data[max(len(got) - offset, 0) :]
    return got, lost, doubled


def events(log: Path) -> Iterator[dict[str, Any]]:
    """A killed screen may leave half a line at the end."""
    for line in log.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)


def logs(played: Played) -> Iterator[str]:
    """What engines and screens printed: nothing, when all is well."""
    for name in ("engine.log", "screen.log"):
        path = played.path / name
        said = path.read_text() if path.exists() else ""
        if said:
            yield f"{name}: {said[-2000:]}"
