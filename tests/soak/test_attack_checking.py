"""What the attacked soak would notice: each thing that a console could say wrongly of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optibid_console.entries import FactRecorded, Outcome, RunEnded, StepFinished
from tests.soak.attack_checking import Facts, Said, judged
from tests.soak.attack_plan import AttackedWindow, On, Victim, attack_plan
from tests.soak.plan import Piece

WANTED = b"1\n\x00\nrelease 7 of 1\n"
FACT = (FactRecorded("previous.release", "release 7 of 1", "1.1"),)


def facts(victim: Victim = Victim.TAIL, status: int | None = 0, **changes: object) -> Facts:
    window = AttackedWindow(
        7, (Piece(1, 1, b"\0\n", 1.0),), status or 0, False, (), On.LOCAL, victim, 0.5
    )
    done = () if status is None else (status,)
    return replace(Facts(window, True, 1, done, WANTED, WANTED), **changes)  # type: ignore[arg-type]


def said(
    outcome: Outcome = Outcome.SUCCEEDED,
    status: int | None = 0,
    signal: str = "",
    reason: str = "",
    shown: bytes = WANTED,
    **changes: object,
) -> Said:
    ended = RunEnded("r", outcome, reason, status, signal, output_bytes=len(shown))
    recorded = FACT if outcome is Outcome.SUCCEEDED else ()
    one = Said(ended, StepFinished("1.1", "r", outcome, reason), recorded, 3.0, shown, "")
    return replace(one, **changes)  # type: ignore[arg-type]


TRUE = {
    "succeeded": (facts(), said()),
    "failed": (facts(status=3), said(Outcome.FAILED, 3)),
    "killed": (
        facts(Victim.COMMAND, None, kept=WANTED[:2]),
        said(Outcome.FAILED, None, "KILL", shown=WANTED[:2]),
    ),
    "nobody knows": (
        facts(Victim.REMOVED, kept=None),
        said(Outcome.UNKNOWN, None, reason="its directory is gone", shown=WANTED[:2]),
    ),
    "the inner shell": (
        facts(Victim.INNER),
        said(Outcome.UNKNOWN, None, reason="nobody knows its status"),
    ),
    "output was lost": (
        facts(Victim.DD, kept=WANTED[:2]),
        said(Outcome.FAILED, 0, reason="15 bytes of the output are lost", shown=WANTED[:2]),
    ),
    "ended by itself when its time was over": (
        facts(status=3, late=True),
        said(Outcome.TIMED_OUT, 3, took_s=13.0),
    ),
    "the launcher before the command": (
        facts(Victim.LAUNCHER, None, launches=0, kept=b""),
        said(Outcome.UNKNOWN, None, reason="gone", shown=b""),
    ),
}


@pytest.mark.parametrize(("known", "told"), TRUE.values(), ids=TRUE)
def test_what_is_true_is_right(known: Facts, told: Said) -> None:
    assert judged(known, told) == []


WRONG = {
    "unknown although known": (facts(), said(Outcome.UNKNOWN, None, reason="gone"), "knows how"),
    "unknown without a blow": (
        facts(Victim.INNER, struck=False), said(Outcome.UNKNOWN, None, reason="x"), "knows how",
    ),
    "succeeded of a killed one": (facts(Victim.COMMAND, None), said(), "noted ()"),
    "succeeded of a failed one": (facts(status=3), said(), "noted (3,)"),
    "failed of one that succeeded": (facts(), said(Outcome.FAILED, 1), "ended with 0"),
    "another exit status": (facts(status=3), said(Outcome.FAILED, 4), "ended with 3"),
    "killed without the signal": (
        facts(Victim.COMMAND, None), said(Outcome.FAILED, 137), "killed by KILL",
    ),
    "a status from nowhere": (
        facts(Victim.INNER, None), said(Outcome.FAILED, 1), "nobody knows how the command ended",
    ),
    "timed out though it had ended": (
        facts(Victim.REMOVED), said(Outcome.TIMED_OUT, None, took_s=12.0), "ended by itself",
    ),
    "too late": (facts(), said(took_s=41.5), "took 41.5 s"),
    "launched twice": (facts(launches=2), said(), "2 launches"),
    "never launched": (facts(launches=0), said(), "0 launches"),
    "half a line as a fact": (
        facts(Victim.DD),
        said(recorded=(FactRecorded("previous.release", "lease 7 of 1", "1.1"),)),
        "recorded",
    ),
    "no fact and green": (facts(), said(recorded=()), "succeeded without the fact"),
    "a fact of a killed one": (
        facts(Victim.COMMAND, None, kept=WANTED),
        said(Outcome.FAILED, None, "KILL", recorded=FACT),
        "of a command that noted ()",
    ),
    "other bytes shown": (facts(), said(shown=b"2" + WANTED[1:]), "bytes shown"),
    "bytes not shown": (facts(), said(shown=WANTED[:-2]), "are kept"),
    "bytes not kept": (facts(kept=WANTED[:-2]), said(), "not the"),
    "a gap that nobody tells": (
        facts(Victim.DD, status=3, kept=WANTED[:2]),
        said(Outcome.FAILED, 3, reason="exit 3", shown=WANTED[:2]),
        "nobody says so",
    ),
    "a loss that wasn't": (
        facts(), said(notices="the end of the output is lost"), "nothing was lost",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("known", "told", "says"), WRONG.values(), ids=WRONG)
def test_what_is_not_so_is_noticed(known: Facts, told: Said, says: str) -> None:
    assert says in "; ".join(judged(known, told))


def test_each_victim_is_attacked_on_each_kind_of_target_equally_often() -> None:
    windows = [one for some in attack_plan(1, 192, 10) for each in some for one in each.windows]
    met = [(one.victim, one.on) for one in windows if isinstance(one, AttackedWindow)]
    assert len(met) == 192
    assert {met.count((victim, on)) for victim in Victim for on in On} == {4}
