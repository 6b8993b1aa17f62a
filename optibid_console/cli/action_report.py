"""How a headless action tells what happens: lines for people, or a JSON object a line."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Protocol

from optibid_console import entries as e
from optibid_console.cli.action_result import Result
from optibid_console.cli.preview_text import preview_text
from optibid_console.codec import to_plain
from optibid_console.launch_clock import format_span
from optibid_console.plan import Preview
from optibid_console.printed import say, say_json
from optibid_console.signals import Output
from optibid_console.state import ActionState, WindowState
from probes.text import one_line, plain_line


class Report(Protocol):
    """Tells of one action."""

    def plan(self, shown: Preview) -> None: ...

    def following(self, state: WindowState, action: ActionState, attached: bool) -> None:
        """What is followed from now on; `attached`: it was under way already."""

    def entry(self, entry: e.Entry, state: WindowState) -> None:
        """An entry of this action, and the state with it."""

    def output(self, output: Output, state: WindowState) -> None: ...

    def note(self, text: str) -> None:
        """News of the connection."""

    def result(self, result: Result) -> None:
        """The last of it."""


_GLYPHS = {e.Outcome.SUCCEEDED: "✓", e.Outcome.UNKNOWN: "⁇", e.Outcome.REHEARSED: "↷"}


def report_for(*, as_json: bool) -> Report:
    return ForMachines() if as_json else ForPeople()


class ForMachines:
    """`{"plan": …}`, `{"following": …}`, `{"entry": …}`, `{"output": …}`, `{"note": …}`, and
    `{"result": …}` last."""

    def plan(self, shown: Preview) -> None:
        _json("plan", to_plain(shown))

    def following(self, state: WindowState, action: ActionState, attached: bool) -> None:
        _json("following", {"window": state.window_id, "action_run": action.action_run,
                            "steps": list(action.steps), "attached": attached})  # fmt: skip

    def entry(self, entry: e.Entry, state: WindowState) -> None:
        _json("entry", entry.to_plain())

    def output(self, output: Output, state: WindowState) -> None:
        text = output.data.decode("utf-8", "replace")
        _json("output", {"run_id": output.run_id, "offset": output.offset, "text": text})

    def note(self, text: str) -> None:
        _json("note", text)

    def result(self, result: Result) -> None:
        _json("result", to_plain(result))


class ForPeople:
    """Lines for a terminal or a log: steps as they start and end, the output of their runs."""

    def __init__(self) -> None:
        self._parts: dict[str, bytes] = {}
        """Run → what it has printed of a line that isn't over."""

    def plan(self, shown: Preview) -> None:
        _lines(preview_text(shown))

    def following(self, state: WindowState, action: ActionState, attached: bool) -> None:
        how = "attached to" if attached else "started"
        name = one_line(f"{state.name} {state.version}")
        if state.rehearsal:
            name = f"{name} (REHEARSAL: nothing is changed)"
        _lines([f"{how} {action.action_run} of {name}: {', '.join(action.steps)}"])

    def entry(self, entry: e.Entry, state: WindowState) -> None:
        clock = time.strftime("%H:%M:%SZ", time.gmtime(entry.at))
        said = self._said(entry, state)
        if said:
            _lines([f"{clock} {one_line(said, 600)}"])

    def output(self, output: Output, state: WindowState) -> None:
        data = self._parts.pop(output.run_id, b"") + output.data
        *lines, rest = data.split(b"\n")
        if rest:
            self._parts[output.run_id] = rest
        self._output(output.run_id, lines, state)

    def note(self, text: str) -> None:
        say(one_line(text, 400), err=True)

    def result(self, result: Result) -> None:
        said = [one_line(line, 600) for line in result.said.splitlines()]
        say(*said, *(f"  {one}" for one in result.way_on), err=result.exit_status != 0)

    def _output(self, run_id: str, lines: Iterable[bytes], state: WindowState) -> None:
        run = state.runs.get(run_id)
        name = run.step_id if run else run_id
        _lines(f"  {name} | {plain_line(one.decode('utf-8', 'replace'))}" for one in lines)

    def _said(self, entry: e.Entry, state: WindowState) -> str:
        match entry.fact:
            case e.StepStarted(step_id, _, attempt, kind, target):
                step = state.runbook.step(step_id) if state.runbook else None
                title = f" {step.title}" if step else ""
                again = f", try {attempt}" if attempt > 1 else ""
                where = f" on {target}" if target and kind == "run" else ""
                return f"… {step_id}{title}{where}{again}"
            case e.RunUnreachable(run_id, why):
                return f"⁇ {_step_of(state, run_id)} unknown: {why}"
            case e.RunEnded(run_id):
                if rest := self._parts.pop(run_id, b""):
                    self._output(run_id, [rest], state)
                return ""
            case e.EvidenceTaken(step_id, _, readings):
                return f"  {step_id} evidence: " + "; ".join(
                    f"{one.probe} {one.status.value} ({one.summary})" for one in readings
                )
            case e.StepFinished(step_id, _, outcome, reason, duration_s):
                why = f": {reason}" if reason else ""
                return f"{_glyph(outcome)} {step_id} {outcome.value} {format_span(duration_s)}{why}"
            case e.StepSkipped(step_id, reason):
                return f"⊘ {step_id} skipped by {entry.actor}: {reason}"
            case e.StepWaived(step_id):
                return f"! {step_id} waived {state.waived[step_id].in_words()}"
            case e.ActionDecided(_, choice, reason):
                return f"{entry.actor} decides: {choice.value}{f': {reason}' if reason else ''}"
            case e.FactRecorded(name, value):
                return f"  {name} is {value}"
        return ""


def _step_of(state: WindowState, run_id: str) -> str:
    run = state.runs.get(run_id)
    return run.step_id if run else run_id


def _glyph(outcome: e.Outcome) -> str:
    return _GLYPHS.get(outcome, "✗")


def _json(kind: str, body: Any) -> None:
    say_json({kind: body})


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)
