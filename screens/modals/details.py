"""What is known of one thing (a step, an item, a probe, a criterion, a host), and what to do."""

from __future__ import annotations

from datetime import UTC, datetime

from optibid_console import commands as c
from optibid_console.brought import meant, meant_words
from optibid_console.entries import Mark, Verdict
from optibid_console.gates import same_person
from optibid_console.kept import kept_lines
from optibid_console.launch_clock import format_span
from optibid_console.permit import permit
from optibid_console.runbook.model import StepKind
from optibid_console.state import OVER, StepStatus
from optibid_console.units import format_value
from optibid_console.waiving import waives
from probes.probe import Reading
from screens.artifact_lines import artifact_facts, set_facts
from screens.glyphs import glyph
from screens.lines import BLANK, Line, Span, row, spans, wrapped
from screens.modals.choose import Choose, Option
from screens.modals.confirm import step_lines
from screens.modals.sheet import heading
from screens.view import View
from screens.widgets.checklist import mark_look
from screens.widgets.header import verdict_look
from screens.widgets.step_line import look_of


def details_sheet(view: View, key: str) -> Choose | None:
    """The sheet for a line's key, or None when it isn't about anything that is known."""
    kind, _, name = key.partition(":")
    title = _title(view, kind, name)
    if title is None:
        return None
    lines_of = {"step": _step, "astep": _step, "item": _item, "probe": _probe,
                "criterion": _criterion, "panel": _panel, "host": _host}[kind]  # fmt: skip

    def body(width: int, now: float) -> list[Line]:
        return [*lines_of(view, name, width, now), *_notes(view, key, width)]

    return Choose(view, title, body, lambda: _options(view, kind, name))


def _title(view: View, kind: str, name: str) -> str | None:
    runbook = view.state.runbook
    if runbook is None:
        return None
    if kind in ("step", "astep"):
        step = runbook.step(name.rpartition("/")[2])
        return f"{step.id} {step.title}" if step else None
    if kind == "item":
        return "Check item" if runbook.item(name) else None
    if kind == "probe":
        spec = runbook.probes.get(name)
        return f"Probe {spec.title or spec.id}" if spec else None
    if kind == "criterion":
        criterion = runbook.criterion(name)
        return f"Criterion {criterion.title}" if criterion else None
    if kind == "panel":
        panel = runbook.panels.get(name)
        return f"Panel {panel.title or panel.id}" if panel else None
    return f"Host {name}" if kind == "host" else None


def _options(view: View, kind: str, name: str) -> tuple[Option, ...]:
    step = view.state.steps.get(name) if kind in ("step", "astep") else None
    shown = (Option("output", "show its output", "v"),) if step is not None and step.run_id else ()
    if not view.drives:
        return (*confirm_waiver(view, name), *shown) if kind == "step" else shown
    note = Option("note", "write a note", "n")
    match kind:
        case "step" if step is not None and step.status in OVER:
            return (*shown, note, _jump(view, name))
        case "step":
            return (
                Option("run", "run it", "", permit(view.state, c.RunStep(name))),
                _skip(view, name),
                _jump(view, name),
                *shown,
                note,
            )
        case "item":
            return (
                Option("done", "done", "d"),
                Option("failed", "failed; asks why", "f"),
                Option("n/a", "not applicable; asks why", "a"),
                Option("open", "open again", "o"),
                note,
            )
        case "criterion":
            met = c.AssertCriterion(name, Verdict.FAIL, "given next")
            clear = c.AssertCriterion(name, Verdict.PASS, "given next")
            return (
                Option("trip", "say that it is met; asks why", "", permit(view.state, met)),
                Option("clear", "say that it isn't; asks why", "", permit(view.state, clear)),
                note,
            )
        case "probe":
            return (note,)
    return shown


def _skip(view: View, step_id: str) -> Option:
    if waives(view.state, step_id):
        refused = permit(view.state, c.AskWaiver(step_id, "given next"))
        return Option("skip", "waive it: go on without it; asks why", "", refused)
    refused = permit(view.state, c.SkipStep(step_id, "given next"))
    return Option("skip", "skip it; asks why", "", refused)


def confirm_waiver(view: View, step_id: str) -> tuple[Option, ...]:
    """Returns what a second person can do about the waiver that is asked for."""
    asked = view.state.waiver
    if view.observer or asked is None or asked.step_id != step_id:
        return ()
    refused = permit(view.state, c.ConfirmWaiver(step_id, asked.seq))
    if any(same_person(view.name, one) for one in (view.state.operator, asked.by)):
        refused = f"{view.name} asks for it: attach under your own name"
    text = f"confirm as {view.name} that {step_id} is waived"
    return (Option("confirm waiver", text, "", refused),)


def _jump(view: View, step_id: str) -> Option:
    over = view.state.step(step_id).status in OVER
    back, ahead = "it and what follows is open again", "what lies before is skipped"
    text = f"jump back to it: {back}" if over else f"jump to it: {ahead}"
    return Option("jump", f"{text}; asks why", "", permit(view.state, c.Jump(step_id, "next")))


def _fact(name: str, text: str, width: int, tone: str = "plain") -> list[Line]:
    first, *rest = wrapped(text, max(width - 12, 8), tone)
    lines = [Line((Span(f"{name:<12}", "dim"), *first.spans))]
    return [*lines, *(Line((Span(" " * 12), *one.spans)) for one in rest)]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")


def _step(view: View, name: str, width: int, now: float) -> list[Line]:
    runbook = view.state.runbook
    step = runbook.step(name.rpartition("/")[2]) if runbook else None
    if step is None:
        return []
    lines = step_lines(view, step, width)
    seen = view.state.steps.get(name)
    waivers = _waivers(view, step.id, width) if name == step.id else []
    if seen is None:
        return [*lines, BLANK, *_fact("status", "pending", width), *waivers]
    look = glyph(look_of(seen.status))
    said = seen.outcome.value if seen.outcome else look.word
    lines += [BLANK, *_fact("status", f"{look.drawn} {said}", width, look.style)]
    if seen.reason and seen.status is not StepStatus.WAIVED:
        lines += _fact("reason", seen.reason, width)
    lines += waivers
    if seen.undone_by:
        lines += _fact("undone by", seen.undone_by, width)
    if seen.settled_by:
        lines += _fact("settled by", seen.settled_by, width)
    if seen.started_at:
        spent = (
            f", took {format_span(seen.finished_at - seen.started_at)}" if seen.finished_at else ""
        )
        lines += _fact("started", f"{_clock(seen.started_at)} by {seen.by}{spent}", width)
    if seen.attempt > 1:
        lines += _fact("attempt", str(seen.attempt), width)
    if step.kind.launches and seen.run_id:
        lines += _fact("run", seen.run_id, width, "dim")
    for reading in seen.evidence:
        lines += _reading(reading, "evidence", width)
    lines += _artifacts(view, step.id, width)
    for kept in kept_lines(view.state, now) if step.kind is StepKind.RESTORE else ():
        lines += _fact("kept", kept, width)
    return lines


def _artifacts(view: View, step_id: str, width: int) -> list[Line]:
    """What the step made to go back to, and the set that it is a part of."""
    kept = view.state.artifacts.values()
    own = [one for one in kept if one.recorded.step_id == step_id]
    facts = [fact for one in own for fact in artifact_facts(one)]
    if own and len(kept) > len(own):
        facts += set_facts(kept)
    return [line for name, text, tone in facts for line in _fact(name, text, width, tone)]


def _reading(reading: Reading, name: str, width: int) -> list[Line]:
    look = glyph(reading.status.value)
    text = f"{look.drawn} {look.word} {reading.probe}: {reading.summary}"
    return _fact(name, text, width, look.style)


def _waivers(view: View, step_id: str, width: int) -> list[Line]:
    """The waiver that waits for a second person, and the one that was given."""
    asked, given = view.state.waiver, view.state.waived.get(step_id)
    lines: list[Line] = []
    if given is not None:
        text = f"{glyph('waived').drawn} {_clock(given.at)} {given.in_words()}"
        lines += _fact("waived", text, width, "warn")
    if asked is not None and asked.step_id == step_id:
        text = f"{_clock(asked.at)} by {asked.by}, waits for a second person: {asked.reason}"
        lines += _fact("waiver", text, width, "warn")
    return lines


def _item(view: View, name: str, width: int, now: float) -> list[Line]:
    runbook = view.state.runbook
    item = runbook.item(name) if runbook else None
    if item is None:
        return []
    seen = view.state.items.get(name)
    mark = seen.mark if seen else Mark.OPEN
    look = glyph(mark_look(mark))
    lines = [*wrapped(item.text, width, "strong"), BLANK]
    if item.role:
        lines += _fact("signed by", item.role, width)
    lines += _fact("marked", f"{look.drawn} {mark.value}", width, look.style)
    if seen is not None and seen.by:
        lines += _fact("by", f"{seen.by} at {_clock(seen.at)}", width)
        if seen.note:
            lines += _fact("because", seen.note, width)
    if item.probe:
        reading = view.reading(item.probe)
        lines += (
            _reading(reading, "probe", width)
            if reading
            else _fact("probe", f"{item.probe}: not read yet", width)
        )
    return lines


def _probe(view: View, name: str, width: int, now: float) -> list[Line]:
    runbook = view.state.runbook
    spec = runbook.probes.get(name) if runbook else None
    if spec is None:
        return []
    place = f" from {spec.on}" if spec.on else ""
    lines = _fact(
        "kind", f"{spec.kind}{place}, every {spec.every:g} s, at most {spec.timeout:g} s", width
    )
    reading = view.reading(name)
    if reading is None:
        return [*lines, *_fact("said", "not read yet", width)]
    gone = meant(view.state, reading)
    if gone is not None:
        look = glyph("undone")
        lines += _fact("said", f"{look.drawn} {meant_words(gone, reading)}", width, look.style)
    else:
        lines += _reading(reading, "said", width)
    if view.health(name, now) == "stale":
        lines += _fact("stale", f"for {now - reading.at:.0f} s", width, "stale")
    if reading.value is not None:
        lines += _fact("value", format_value(reading.value, reading.unit), width)
    lines += _fact("read", f"{_clock(reading.at)}, took {reading.took_ms:.0f} ms", width)
    changed = view.state.readings.get(name)
    if changed is not None:
        lines += _fact("since", f"{_clock(changed.at)} {changed.status.value}", width)
    for key, value in reading.detail.items():
        lines += _fact(key[:11], value, width)
    return lines


def _panel(view: View, name: str, width: int, now: float) -> list[Line]:
    runbook = view.state.runbook
    spec = runbook.panels.get(name) if runbook else None
    if spec is None:
        return []
    place = f" from {spec.on}" if spec.on else ""
    lines = _fact("source", f"{spec.source}{place}, every {spec.every:g} s", width)
    for key, value in spec.settings.items():
        lines += _fact(str(key)[:11], str(value), width)
    limits = {"warn above": spec.warn_above, "fail above": spec.fail_above,
              "warn below": spec.warn_below, "fail below": spec.fail_below}  # fmt: skip
    for word, limit in limits.items():
        if limit is not None:
            lines += _fact(word, format_value(limit, spec.unit), width)
    baseline = view.state.baseline.get(name)
    if baseline is not None:
        lines += _fact("baseline", format_value(baseline, spec.unit), width)
    reading = view.panels.get(name) or view.state.panels.get(name)
    if reading is None:
        return [*lines, *_fact("said", "not read yet", width)]
    lines += _reading(reading, "said", width)
    lines += _fact("value", format_value(reading.value, reading.unit or spec.unit), width)
    return lines + _fact("read", f"{_clock(reading.at)}, took {reading.took_ms:.0f} ms", width)


def _criterion(view: View, name: str, width: int, now: float) -> list[Line]:
    runbook = view.state.runbook
    criterion = runbook.criterion(name) if runbook else None
    if criterion is None:
        return []
    rule = criterion.fail_when or "a person says so"
    held = f" for {format_span(criterion.hold_for)}" if criterion.hold_for else ""
    lines = _fact("fails when", f"{rule}{held}", width)
    if criterion.active_from:
        lines += _fact("from", f"phase {criterion.active_from}", width)
    seen = view.state.criteria.get(name)
    if seen is None:
        return [*lines, *_fact("verdict", "not judged yet", width)]
    look = glyph(verdict_look(seen.verdict))
    lines += _fact("verdict", f"{look.drawn} {seen.verdict.value}", width, look.style)
    lines += _fact("because", seen.reason, width)
    if seen.since:
        lines += _fact("since", f"{_clock(seen.since)}, {format_span(now - seen.since)} ago", width)
    if seen.by:
        lines += _fact("said by", seen.by, width)
    return lines


def _host(view: View, name: str, width: int, now: float) -> list[Line]:
    runbook = view.state.runbook
    spec = runbook.targets.get(name) if runbook else None
    live, kept = view.links.get(name), view.state.links.get(name)
    state = live.state if live else kept.state if kept else "unknown"
    lines = _fact("link", state, width)
    detail = live.detail if live else kept.detail if kept else ""
    if detail:
        lines += _fact("detail", detail, width)
    if spec is not None:
        port = f":{spec.port}" if spec.port else ""
        user = f"{spec.user}@" if spec.user else ""
        lines += _fact("address", f"{spec.kind} {user}{spec.host}{port}", width)
    return lines


def _notes(view: View, key: str, width: int) -> list[Line]:
    subject = key.replace("astep:", "step:")
    if subject.startswith("step:"):
        subject = f"step:{subject.removeprefix('step:').rpartition('/')[2]}"
    notes = [one for one in view.state.notes if one.subject == subject]
    if not notes:
        return []
    lines = [BLANK, heading("Notes")]
    for note in notes:
        lines.append(row(width, spans(Span(f"{_clock(note.at)} {note.by}", "dim"))))
        lines += wrapped(note.text, width, indent="  ")
    return lines
