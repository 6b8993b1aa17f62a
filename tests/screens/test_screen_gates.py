"""Gates on screen: the phase's line, the sheet, a second person's only command; a jump."""

from __future__ import annotations

from dataclasses import replace

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.runbook.model import Gate
from probes.probe import Seconds
from screens.glyphs import use_ascii
from screens.view import View
from screens.widgets.timeline import timeline_lines
from tests.screens import recording as rec
from tests.screens.conftest import Start
from tests.screens.small_runbook import small_runbook

KEY = "phase:migration"


def gated(gate: Gate, *facts: e.Fact) -> rec.Recorder:
    """A window that stands before its second phase, which has this gate."""
    book = small_runbook()
    phases = tuple(replace(one, gate=gate) if one.id == "migration" else one for one in book.phases)
    recorder = rec.opened(replace(book, phases=phases))
    recorder.step("1.1a", 20)
    recorder.step("1.2a", 200)
    for fact in facts:
        recorder.add(fact)
    return recorder


def test_a_phases_gate_is_a_line_with_a_sign_and_a_word() -> None:
    gate = Gate(signoffs=("Database Admin",))
    recorder = gated(gate, e.GateOpened(KEY))
    view = View(clock=lambda: rec.NOW)
    for entry in recorder.entries:
        view.take(entry)
    for ascii_only, sign in ((False, "‖"), (True, "=")):
        use_ascii(ascii_only)
        lines = [one.text for one in timeline_lines(view, 60, rec.NOW)]
        assert any(f"{sign} gate waiting Database Admin's go" in one for one in lines), lines


async def test_the_operator_asks_the_roles_of_the_gate_that_waits(console: Start) -> None:
    gate = Gate(signoffs=("Database Admin",), timeout=Seconds(9e6), on_timeout="no-go")
    async with console(gated(gate, e.GateOpened(KEY, 9e6, "no-go"))) as it:
        assert "Gate of Database migration: waiting" in it.seen("banner")
        await it.press("g")
        assert "waits for Database Admin's go" in it.sheet()
        assert "then no-go" in it.sheet()
        await it.press("p")
        assert await it.sent() == [c.CallPoll("Go for Database migration?", KEY)]


async def test_the_poll_shows_who_has_not_voted_and_what_was_seen(console: Start) -> None:
    roles = ("Deployment Lead", "Database Admin")
    seen = {"panel.errors": "0.4 % ok", "criterion.latency": "inconclusive: no data"}
    recorder = gated(
        Gate(signoffs=roles), e.GateOpened(KEY), e.PollCalled("p-1", "go?", roles, KEY),
        e.VoteCast("p-1", "Deployment Lead", e.Vote.GO, "looks well", seen),
    )  # fmt: skip
    async with console(recorder, size=(80, 24)) as it:
        await it.press("g")
        said = it.sheet()
        assert "looks well" in said
        assert "saw errors 0.4 % ok, 0 of 1 criteria pass, latency inconclusive" in said
        assert "hasn't voted" in said
        assert "waits for Database Admin" in said


async def test_a_watching_screen_confirms_as_a_second_person(console: Start) -> None:
    recorder = gated(Gate(second_person=True), e.GateOpened(KEY))
    async with console(recorder, operator=False) as it:
        it.app.view.name = "oncall-2"
        await it.press("g")
        assert "confirm, as oncall-2" in it.sheet()
        await it.press("enter", "enter")
        assert await it.sent() == [c.ConfirmGate(KEY)]


async def test_a_jump_says_what_it_skips_and_asks_why(console: Start) -> None:
    recorder = rec.opened(small_runbook())
    for step_id in ("1.1a", "1.2a", "2.1a", "2.1b"):
        recorder.step(step_id, 5)
    async with console(recorder) as it:
        it.app.window.timeline.reveal("3.1")
        await it.press("J")
        assert "2.1c skipped" in it.sheet()
        await it.type("checked by hand")
        await it.press("enter")
        assert await it.sent() == [c.Jump("3.1", "checked by hand")]


ROLES = ("Deployment Lead", "Database Admin")
CALLED = e.PollCalled("p-1", "Go for Database migration?", ROLES, KEY)


async def test_the_operator_votes_for_each_role_of_the_gates_poll(console: Start) -> None:
    recorder = gated(Gate(signoffs=ROLES), e.GateOpened(KEY), CALLED)
    async with console(recorder) as it:
        await it.press("g")
        assert "the gate of Database migration" in it.sheet()
        await it.press("g")
        assert it.source.sent == [], "two keys vote for nobody"
        assert "Deployment Lead says GO" in it.sheet()
        await it.press("enter")
        assert await it.sent() == [c.CastVote("p-1", "Deployment Lead", e.Vote.GO)]
        await it.press("g", "down", "n")
        await it.type("after the index")
        await it.press("enter")
        await it.until(lambda: len(it.source.sent) == 2)
        voted = c.CastVote("p-1", "Database Admin", e.Vote.GO, "after the index")
        assert it.source.sent[-1] == voted
        for vote in it.source.sent:
            assert isinstance(vote, c.CastVote)
            fact = e.VoteCast(vote.poll_id, vote.role, vote.vote, vote.note)
            recorder.add(fact)
            it.source.push(recorder.entries[-1])
        await it.settle()
        await it.press("g")
        assert "everybody has voted: go" in it.sheet()
        await it.press("c")
        await it.until(lambda: it.source.sent[-1] == c.ClosePoll("p-1"))


async def test_esc_at_a_votes_note_votes_nothing(console: Start) -> None:
    recorder = gated(Gate(signoffs=ROLES), e.GateOpened(KEY), CALLED)
    async with console(recorder) as it:
        await it.press("g", "x", "escape")
        assert it.source.sent == []
        assert "hasn't voted" in it.sheet()


async def test_who_watches_sees_the_poll_and_votes_nothing(console: Start) -> None:
    recorder = gated(Gate(signoffs=ROLES), e.GateOpened(KEY), CALLED)
    async with console(recorder, operator=False, size=(80, 24)) as it:
        await it.press("g")
        assert "hasn't voted" in it.sheet()
        await it.press("g", "x", "n", "c", "escape")
        assert it.source.sent == []


async def test_a_timeout_that_asks_is_answered_on_the_gates_sheet(console: Start) -> None:
    gate = Gate(signoffs=ROLES, timeout=Seconds(60), on_timeout="ask")
    late = e.GateTimedOut(KEY, "ask", ("Database Admin's go",))
    async with console(gated(gate, e.GateOpened(KEY, 60.0, "ask"), late)) as it:
        await it.press("g")
        lines = "\n".join(it.sheet_lines())
        assert "timed out" in lines
        assert "go without what is missing; asks why" in lines
        await it.press("down", "down", "enter")
        assert "You say: go." in it.sheet()
        await it.type("the dba is on a plane")
        await it.press("enter")
        assert await it.sent() == [c.DecideGate(KEY, "go", "the dba is on a plane")]


async def test_an_actions_key_opens_its_gate_first(console: Start) -> None:
    book = small_runbook()
    gate = Gate(second_person=True)
    actions = tuple(replace(one, gate=gate) if one.id == "backup" else one for one in book.actions)
    async with console(rec.opened(replace(book, actions=actions))) as it:
        await it.press("b")
        assert "waits for a second person" in it.sheet()
        await it.press("a")
        assert await it.sent() == [c.OpenGate("action:backup")]
