"""The probes, the rollback criteria and the hosts, the worst of each first."""

from __future__ import annotations

from collections.abc import Sequence

from optibid_console.brought import meant, meant_words
from optibid_console.entries import Verdict
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import Criterion, ProbeSpec
from optibid_console.units import format_value
from screens.glyphs import glyph
from screens.lines import Line, Span, row, spans
from screens.view import View
from screens.widgets.header import verdict_look
from screens.widgets.pane import Pane

_WORST = ("failing", "error", "stale", "warn", "unknown", "undone", "ok")


def probes_lines(view: View, width: int, now: float) -> list[Line]:
    """All lines: criteria that tripped, probes with a second line where one isn't ok, the other
    criteria, hosts."""
    runbook = view.state.runbook
    if runbook is None:
        return []
    looks = {one: view.health(one, now) for one in runbook.probes}
    tripped = [one for one in runbook.criteria if one.id in view.state.failing_criteria()]
    lines = [line for one in tripped for line in _criterion_lines(view, one, width, now)]
    for probe_id in sorted(runbook.probes, key=lambda one: _WORST.index(looks[one])):
        lines += _probe_lines(view, runbook.probes[probe_id], looks[probe_id], width, now)
    others = [one for one in runbook.criteria if one not in tripped]
    if others:
        lines.append(row(width, (Span("Rollback criteria", "dim"),)))
    lines += [line for one in others for line in _criterion_lines(view, one, width, now)]
    hosts = sorted(set(view.links) | set(view.state.links))
    if hosts:
        lines.append(row(width, (Span("Hosts", "dim"),)))
    lines += [_host_line(view, one, width) for one in hosts]
    return lines


def _probe_lines(view: View, spec: ProbeSpec, health: str, width: int, now: float) -> list[Line]:
    look = glyph(health)
    title = spec.title or spec.id
    left = spans(Span(f"{look.drawn} ", look.style), Span(title, "plain"))
    reading = view.reading(spec.id)
    key = f"probe:{spec.id}"
    if reading is None:
        return [row(width, left, spans(Span("not read yet", "dim")), key)]
    if health == "ok":
        said = format_value(reading.value, reading.unit) if reading.value is not None else ""
        shown = said or f"{reading.took_ms:.0f} ms"
        return [row(width, left, spans(Span(f"ok {shown}", "dim")), key)]
    gone = meant(view.state, reading) if health == "undone" else None
    if gone is not None:
        said = f"    {meant_words(gone, reading)}"
        head = row(width, left, spans(Span("rolled back", look.style)), key)
        return [head, row(width, (Span(said, "dim"),))]
    changed = view.state.readings.get(spec.id)
    since_s = now - (changed.at if changed else reading.at)
    age = (
        f"stale {now - reading.at:.0f} s"
        if health == "stale"
        else f"{look.word} {format_span(since_s)}"
    )
    lines = [row(width, left, spans(Span(age, look.style)), key)]
    if health == "stale":
        was = f"    last said {reading.status.value}: {reading.summary}"
        lines.append(row(width, (Span(was, "dim"),)))
    elif reading.summary:
        tone = look.style if health in ("failing", "error") else "dim"
        lines.append(row(width, (Span(f"    {reading.summary}", tone),)))
    return lines


def _criterion_lines(view: View, criterion: Criterion, width: int, now: float) -> list[Line]:
    seen = view.state.criteria.get(criterion.id)
    verdict = seen.verdict if seen else Verdict.INCONCLUSIVE
    look = glyph(verdict_look(verdict))
    word = verdict.value
    by_hand = not criterion.fail_when and verdict is Verdict.INCONCLUSIVE
    if by_hand:
        look, word = glyph("pending"), "by hand"
    tone = "dim" if verdict is Verdict.PASS else look.style
    left = spans(Span(f"{look.drawn} ", look.style), criterion.title)
    lines = [row(width, left, spans(Span(word, tone)), f"criterion:{criterion.id}")]
    if seen is not None and verdict is not Verdict.PASS and not by_hand:
        shade = look.style if verdict is Verdict.FAIL else "dim"
        lines.append(row(width, (Span(f"    {seen.reason}", shade),)))
    return lines


_LINKS = {"connected": "ok", "connecting": "running", "reconnecting": "warn", "refused": "failing"}


def _host_line(view: View, target: str, width: int) -> Line:
    live, kept = view.links.get(target), view.state.links.get(target)
    state = live.state if live else kept.state if kept else "unknown"
    look = glyph(_LINKS.get(state, "unknown"))
    detail = (live.detail if live else kept.detail if kept else "") or ""
    if live is not None and live.latency_ms is not None and state == "connected":
        detail = f"{live.latency_ms:.0f} ms"
    elif live is not None and live.attempt:
        detail = f"{live.attempt}, {detail}" if detail else str(live.attempt)
    left = spans(Span(f"{look.drawn} ", look.style), target)
    tone = "dim" if state == "connected" else look.style
    return row(width, left, spans(Span(f"{state} {detail}".rstrip(), tone)), f"host:{target}")


class Probes(Pane):
    """What is observed besides logs and metrics."""

    def __init__(self, view: View) -> None:
        super().__init__(view, "probes")

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        return probes_lines(self.view, width, now)

    def title(self, now: float) -> str:
        runbook = self.view.state.runbook
        if runbook is None:
            return "Probes"
        looks = [self.view.health(one, now) for one in runbook.probes]
        gone = looks.count("undone")
        said = f"Probes {looks.count('ok')}/{len(looks)} ok"
        return f"{said}, {gone} rolled back" if gone else said
