"""A snapshot is the state, whatever the window came to."""

from __future__ import annotations

import zlib
from dataclasses import fields

import pytest

from optibid_console import entries as e
from optibid_console.database.kept import Kept
from optibid_console.feed import snapshot
from optibid_console.feed.snapshot import Snapshots, packed, unpacked
from optibid_console.state import WindowState, fold
from tests.screens import recording


def assert_same(one: WindowState, other: WindowState) -> None:
    for part, before, after in (
        *((f.name, getattr(one, f.name), getattr(other, f.name)) for f in fields(WindowState)),
        *(
            (f.name, getattr(one.telling, f.name), getattr(other.telling, f.name))
            for f in fields(one.telling)
        ),
    ):
        if part != "telling":
            assert type(before) is type(after), part
            assert before == after, part


def everything() -> WindowState:
    """A window in which all happened that a state remembers."""
    story = recording.migrated()
    recording.trip(story)
    for fact in (
        e.MigrationsRead("main", "seen", ("001",), ("002",), {"000": "no"}),
        e.SchemaRead("main", "backup", "f00d", {"table t": "a int"}),
        e.KeptRead("main", (Kept("main_failed_20270115_080000", 7),)),
        e.AdoptionBegun("main", {"001": "0" * 64}, "by hand"), e.AdoptionEnded("main", ("001",)),
        e.AdoptionBegun("main", {"002": "0" * 64}, "by hand"),
        *(e.ArtifactRecorded("main", "database", "db-1", path) for path in ("/a", "/b")),
        e.GateOpened("phase:migrate", 60.0, "ask"), e.GateConfirmed("phase:migrate", "good"),
        e.GateDecided("phase:migrate", "go", "why"), e.GatePassed("phase:migrate", ("a", "b")),
        e.PollCalled("p1", "Go?", ("dba", "dev")), e.VoteCast("p1", "dba", e.Vote.GO),
        e.EscalationStarted("criterion"), e.EscalationAcknowledged(1, "called"), 
        e.RungDue(0, "call"),
        e.ItemMarked("i1", e.Mark.DONE), e.NoteWritten("window", "a\nnote \u2028 ü"),
        e.SharingStarted("127.0.0.1:7443", "f" * 43), e.WatchShared("support", "0" * 64, 1e9),
        e.Told(3, "ops", "t"), e.TellingFailed(4, "ops", "t", "no way", 1),
        e.ChannelsSet({"paging": "no value"}), e.Held("why"), e.FactRecorded("a", "b"),
        e.LinkChanged("app-1", "lost", "gone"), e.Resumed(1.0),
        e.SpillDelivered("ann", "laptop", "/a.spill", ("no entry",)),
        e.StepWaived("3.1", "no disk", "ann", "bob", "seen"), e.WaiverAsked("3.2", "no answer"),
    ):  # fmt: skip
        story.add(fact)
    return fold(story.entries)


@pytest.mark.parametrize(
    "played",
    ["good_day", "tripped", "failed_step", "unsettled", "unsettled_rollback", "rolled_back",
     "migrated", "waiting_for_a_person", "rehearsal", "rolling_back"],
)  # fmt: skip
def test_a_snapshot_is_the_state_that_the_entries_fold_to(played: str) -> None:
    state = fold(getattr(recording, played)().entries)
    assert_same(unpacked(b"".join(packed(state))), state)


def test_a_snapshot_holds_everything_that_a_state_remembers() -> None:
    state = everything()
    assert state.escalation is not None
    assert state.escalation.acknowledged == {1: "oncall-1"}
    assert state.sharing.links
    got = unpacked(b"".join(packed(state)))
    assert_same(got, state)
    empty = {one.name for one in fields(state) if not getattr(state, one.name)}
    assert empty <= {"closed", "closed_at", "rehearsal", "rehearsed", "hold", "spill", "actions",
                     "action_run", "rollback_run", "readiness",
                     "escalation_ended_seq", "engine", "panels", "baseline", "earlier"}  # fmt: skip


def test_what_follows_a_snapshot_folds_on_as_after_the_entries() -> None:
    entries = recording.rolled_back().entries
    for cut in range(0, len(entries), 7):
        joined = unpacked(b"".join(packed(fold(entries[:cut]))))
        assert_same(fold(entries[cut:], joined), fold(entries))


@pytest.mark.parametrize(
    "wrong",
    [b"", b"nothing packed", zlib.compress(b"nothing\n"), zlib.compress(b'["steps", 7]\n'),
     zlib.compress(b'["seq", "many"]\n'), zlib.compress(b"[1]\n"),
     zlib.compress(b'["no such part", 1]\n')[:-3]],
)  # fmt: skip
def test_what_is_no_snapshot_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        unpacked(wrong)


def test_a_snapshot_that_unpacks_to_more_than_memory_holds_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(snapshot, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="too long"):
        unpacked(zlib.compress(b"[]\n" * 100_000))


async def test_one_snapshot_serves_all_who_join_soon_after() -> None:
    states = [WindowState(seq=1000), WindowState(seq=1100), WindowState(seq=1300)]
    made = Snapshots(lambda: states.pop(0))
    assert [(await made.at(head))[0] for head in (1000, 1100, 1200)] == [1000, 1000, 1000]
    assert (await made.at(1201))[0] == 1100
