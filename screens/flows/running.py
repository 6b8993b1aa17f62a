"""Running steps and actions: what will happen, the confirmation, the ways on after a stop."""

from __future__ import annotations

from dataclasses import replace

from optibid_console import commands as c
from optibid_console.aborting import has_ended, nothing_to_stop, to_stop
from optibid_console.adopting import adopt_words, names_in
from optibid_console.direction import forward_words, in_service
from optibid_console.entries import Choice
from optibid_console.friction import friction
from optibid_console.gates import first_shut
from optibid_console.jumping import in_words, route
from optibid_console.permit import action_gates, forced_words
from optibid_console.plan import preview
from optibid_console.preflight import CHECKING
from optibid_console.runbook.model import ROLLBACK, Action
from optibid_console.state import ActionState, DatabaseState, RunState
from optibid_console.waiving import waive_words, waives
from screens.flows.desk import Desk
from screens.flows.gating import Gating
from screens.view import open_question


class Running:
    """Runs, skips, decides and aborts."""

    def __init__(self, desk: Desk, gating: Gating) -> None:
        self.desk = desk
        self.gating = gating

    async def run_step(self, step_id: str) -> None:
        from screens.modals.confirm import confirm_step

        runbook = self.desk.view.state.runbook
        step = runbook.step(step_id) if runbook else None
        if step is None or not self.desk.allowed(c.RunStep(step_id)):
            return
        asked = friction(self.desk.view.state, runbook, c.RunStep(step_id)) if runbook else None
        words = asked.words if asked is not None else ""
        note = await self.desk.stage.ask(confirm_step(self.desk.view, step, words))
        if note is not None:
            await self.desk.send(c.RunStep(step_id, note))

    async def skip_step(self, step_id: str) -> None:
        """Leave a step out, with a reason. A required one is waived."""
        if waives(self.desk.view.state, step_id):
            await self.waive(step_id)
            return
        if not self.desk.allowed(c.SkipStep(step_id, "given next")):
            return
        text = f"{step_id} is not run. The reason is recorded."
        why = await self.desk.reason(f"Skip {step_id}", text)
        if why:
            await self.desk.send(c.SkipStep(step_id, why))

    async def waive(self, step_id: str) -> None:
        """Pass over a required step: a second person confirms it, or its words are typed."""
        from screens.modals.type_out import TypeOut
        from screens.modals.waive import ALONE, waive_sheet

        if not self.desk.allowed(c.AskWaiver(step_id, "given next")):
            return
        view, words = self.desk.view, waive_words(step_id)
        said = await self.desk.stage.ask(waive_sheet(view, step_id))
        if said is None:
            return
        text = f"{step_id} stays marked as waived, with this reason."
        why = await self.desk.reason(f"Waive {step_id}", text)
        if not why:
            return
        if said != ALONE:
            if await self.desk.send(c.AskWaiver(step_id, why)):
                self.desk.stage.say("asked: a second person confirms it on a screen of their own")
            return
        sheet = TypeOut(view, f"Waive {step_id} alone", text, words)
        typed = await self.desk.stage.ask(sheet)
        if typed is not None:
            await self.desk.send(c.WaiveStep(step_id, why, typed))

    async def confirm_waiver(self, step_id: str) -> None:
        """Confirm a waiver from a screen that doesn't drive."""
        from screens.modals.ask import Ask

        view, asked = self.desk.view, self.desk.view.state.waiver
        if asked is None or asked.step_id != step_id:
            self.desk.stage.say(f"nobody asks to waive {step_id} any more", bad=True)
            return
        text = (
            f"{asked.by} asks to go on without {step_id}: {asked.reason}. It is recorded that "
            f"{view.name} confirms it. The console can't know who types."
        )
        ask = Ask(view, "Confirm a waiver", text, "note (optional)", required=False)
        note = await self.desk.stage.ask(ask)
        if note is not None:
            await self.desk.send(c.ConfirmWaiver(step_id, asked.seq, note))

    async def jump(self, step_id: str) -> None:
        """Go on from another step, with a reason; what lies between is named first."""
        if not self.desk.allowed(c.Jump(step_id, "given next")):
            return
        text = f"{in_words(route(self.desk.view.state, step_id))}. Nothing is run by it."
        why = await self.desk.reason(f"Jump to {step_id}", text)
        if why:
            await self.desk.send(c.Jump(step_id, why))

    async def start_action(self, action_id: str) -> None:
        """b, m, R …: the one sheet of what will happen, then the typed name."""
        from screens.modals.action import ConfirmAction

        runbook = self.desk.view.state.runbook
        action = runbook.action(action_id) if runbook else None
        if not self.desk.allowed() or action is None or runbook is None:
            return
        state = self.desk.view.state
        shut = first_shut(state, runbook, action_gates(state, action), self.desk.view.now())
        if shut and action_id != ROLLBACK:
            await self.gating.gate(shut)
            return
        typed = await self.desk.stage.ask(ConfirmAction(self.desk.view, action_id))
        shown = preview(self.desk.view.state, action_id, self.desk.view.now())
        if shown.override and typed == shown.override:
            await self._override(action, typed, shown.not_ready)
            return
        if typed != shown.confirm:
            return
        pulse = self.desk.view.pulse
        if action_id == ROLLBACK and pulse is not None and not pulse.journal_ok:
            await self._force(action, pulse.problem)
        else:
            await self._begin(action, c.StartAction(action_id, typed))

    async def _begin(self, action: Action, start: c.StartAction) -> None:
        """Send it; what isn't ready is shown, and a second word begins the action all the same."""
        from screens.modals.type_out import TypeOut

        view = self.desk.view
        looks = bool(action.ready_when) and not view.state.rehearsal
        with self.desk.stage.checking(CHECKING if looks else ""):
            reply = await self.desk.reply(start)
        if not isinstance(reply, c.Refused) or not reply.words:
            self.desk.answered(reply, start)
            return
        sheet = TypeOut(view, f"{action.title}: not everything is ready", reply.why, reply.words)
        typed = await self.desk.stage.ask(sheet)
        if typed is not None:
            await self.desk.send(replace(start, typed=typed, anyway=True))

    async def _override(self, action: Action, typed: str, missing: tuple[str, ...]) -> None:
        """What is migrated without a backup can't be taken back: somebody has to say why."""
        why = await self.desk.reason(action.title, f"{'; '.join(missing)}. The reason is recorded.")
        if why:
            start = c.StartAction(action.id, typed, forced=True, reason=why)
            await self._begin(action, start)

    async def _force(self, action: Action, problem: str) -> None:
        """The rollback alone may go on while nothing can be recorded, after a second word."""
        from screens.modals.type_out import TypeOut

        text = (
            f"Nothing can be recorded now: {problem}. The rollback can go on all the same: what "
            "it does is recorded in a spill file, beside the journal or on another disk (the "
            "header names it then), and merged when the journal is back."
        )
        sheet = TypeOut(self.desk.view, "Without the journal", text, forced_words(action))
        typed = await self.desk.stage.ask(sheet)
        if typed is not None:
            await self._begin(action, c.StartAction(action.id, typed, forced=True))

    async def decide(self) -> None:
        """An action stopped: retry, skip with a reason, or stop."""
        from screens.modals.stopped import LATER, stopped_sheet

        action = self.desk.view.state.action()
        if action is None or not action.stopped_at_step or not self.desk.allowed():
            return
        question = open_question(self.desk.view, "")
        if question is not None:
            await self.settle(question)
            return
        said = await self.desk.stage.ask(stopped_sheet(self.desk.view, action))
        if said is None or said == LATER:
            return
        why = await self._why(action, Choice(said))
        if why is not None:
            await self.desk.send(c.Decide(action.action_run, Choice(said), why))

    async def _why(self, action: ActionState, choice: Choice) -> str | None:
        """The reason for a choice: needed to skip, asked for always; None after Esc."""
        step_id = action.stopped_at_step
        text = {
            Choice.SKIP: f"{step_id} is left undone and {action.action_id} goes on.",
            Choice.RETRY: f"{step_id} is run again.",
            Choice.STOP: f"{action.action_id} ends here, as failed.",
        }[choice]
        if choice is Choice.SKIP:
            return await self.desk.reason(f"Skip {step_id}", text)
        from screens.modals.ask import Ask

        title = f"{choice.value.capitalize()} {step_id}"
        ask = Ask(self.desk.view, title, text, "why (optional)", required=False)
        return await self.desk.stage.ask(ask)

    async def settle(self, run: RunState) -> None:
        """Say how a step ended whose run is gone without a trace; who watches can only look."""
        from screens.modals.settle import SettleSheet

        said = await self.desk.stage.ask(SettleSheet(self.desk.view, run))
        if said is not None and self.desk.allowed(said):
            await self.desk.send(said)

    async def go_forward(self) -> None:
        """After a rollback: the words are typed, then steps of the phases may run again."""
        from screens.modals.type_out import TypeOut

        view = self.desk.view
        words = forward_words(view.state.runbook)
        if not self.desk.allowed(c.GoForward(words)):
            return
        text = "The steps of the phases may be run again, one by one. Runs no command."
        if view.rolled_back() is not None:
            text = f"Rolled back: {in_service(view.state)}. {text}"
        typed = await self.desk.stage.ask(TypeOut(view, "Go forward again", text, words))
        if typed is not None:
            await self.desk.send(c.GoForward(typed))

    async def choose_backup(self, database: str, path: str) -> None:
        """Let a rollback restore an earlier backup of this window, with a reason."""
        if not self.desk.allowed(c.ChooseBackup(database, path, "given next")):
            return
        text = f"Rollback restores {path} from now on. The other one stays where it is."
        why = await self.desk.reason(f"Another backup of {database}", text)
        if why:
            await self.desk.send(c.ChooseBackup(database, path, why))

    async def adopt(self, database: str) -> None:
        """Record migrations that a database has as applied: named, with a reason, typed out."""
        from screens.modals.ask import Ask
        from screens.modals.type_out import TypeOut

        view, words = self.desk.view, adopt_words(database)
        title = f"Adopt migrations of {database}"
        known = view.state.databases.get(database, DatabaseState())
        pending = known.read.pending if known.read else ()
        asked = c.AdoptMigrations(database, pending, "given next", words)
        if not self.desk.allowed(asked):
            return
        text = f"Those that the database has already, of: {', '.join(pending)}"
        typed = await self.desk.stage.ask(Ask(view, title, text, "names, with spaces between"))
        if not typed or not self.desk.allowed(replace(asked, names=names_in(typed))):
            return
        names = names_in(typed)
        text = f"{', '.join(names)}: recorded as applied, not run. How is it known?"
        why = await self.desk.reason(title, text)
        if not why:
            return
        text = f"Writes {len(names)} rows into schema_migrations of {database}, and nothing else."
        confirmed = await self.desk.stage.ask(TypeOut(view, title, text, words))
        if confirmed is not None:
            await self.desk.send(replace(asked, names=names, reason=why, typed=confirmed))

    async def abort(self) -> None:
        """`x`: the action under way as a whole, else the run of a step."""
        from screens.modals.abort import AbortSheet

        if not self.desk.allowed():
            return
        wanted = to_stop(self.desk.view.state)
        if wanted is None:
            self.desk.stage.say(nothing_to_stop(self.desk.view.state), bad=True)
            return
        if await self.desk.stage.ask(AbortSheet(self.desk.view, wanted)) is None:
            return
        late = has_ended(self.desk.view.state, wanted)
        if late:
            self.desk.stage.say(late, bad=True)
        elif isinstance(wanted, ActionState):
            await self.desk.send(c.StopAction(wanted.action_run))
        else:
            await self.desk.send(c.Abort(wanted.run_id))
