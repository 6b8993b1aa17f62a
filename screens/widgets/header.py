"""The two header lines: where we are, whether it is healthy, whether we can still go back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from optibid_console.direction import Direction, direction
from optibid_console.entries import Verdict
from optibid_console.failing_panels import failing_panels
from optibid_console.launch_clock import LaunchClock, format_offset, format_span, read_clock
from probes.text import counted
from screens.glyphs import glyph
from screens.lines import Line, Segment, Span, Spans, cut, fit_segments, row, sign, spans
from screens.opening import TITLE, opening_words
from screens.view import View
from screens.widgets.pane import Pane

ON_PLAN_S = 30.0
"""So many clock seconds beside the plan are still on it."""
SLOW_MS = 500.0
"""A feed that takes longer there and back is slow."""
_NARROW = 34
"""Below so many columns the launch clock needs the room that the time of day takes."""


def header_lines(view: View, width: int, now: float) -> list[Line]:
    """The clock line and the people-and-lamps line."""
    state = view.state
    if state.runbook is None:
        waiting = view.lost.why if view.lost else opening_words()
        return [
            row(width, spans(Span(f" {TITLE}", "title"))),
            row(width, spans(" ", waiting)),
        ]
    inner = max(width - 2, 1)
    clock = read_clock(state, now)
    return [_padded(_clock_line(view, clock, inner, now)), _padded(_lamp_line(view, inner, now))]


def _padded(line: Line) -> Line:
    return Line((Span(" "), *line.spans))


def _clock_line(view: View, clock: LaunchClock, width: int, now: float) -> Line:
    time_of_day = datetime.fromtimestamp(now, UTC).strftime("%H:%M:%SZ")
    utc = spans(Span(time_of_day, "dim")) if width >= _NARROW else ()
    segments = [
        *_what(view),
        *_offset(view, clock, now),
        *_phase(view, clock),
        *_drift(view, clock),
    ]
    left = fit_segments(segments, width - 11 if utc else width, gap=3 if width > 110 else 2)
    return row(width, left.spans, utc)


def _what(view: View) -> list[Segment]:
    state = view.state
    name = Span(state.name, "title")
    version = f" {state.version}" if state.version else ""
    what = Segment((spans(name, version), spans(name), ()), 6)
    return [*_rehearsal(view), what]


def _rehearsal(view: View) -> list[Segment]:
    """First in the first line, at every size, for who drives and for who watches."""
    if not view.state.rehearsal:
        return []
    said = (" REHEARSAL: nothing is changed ", " REHEARSAL ")
    return [Segment(tuple(spans(Span(one, "rehearsal")) for one in said), 0)]


def _offset(view: View, clock: LaunchClock, now: float) -> list[Segment]:
    state = view.state
    shown = format_offset(clock.offset_s)
    if state.closed is not None:
        closed = f"{shown} closed: {state.closed.outcome}"
        return [Segment((spans(Span(closed, "strong")), spans(Span(shown, "strong"))), 1)]
    if state.hold is None:
        speed = f" x{state.speed:g}" if state.speed != 1 else ""
        return [
            Segment(
                (spans(Span(shown, "strong"), Span(speed, "dim")), spans(Span(shown, "strong"))), 1
            )
        ]
    held = f"{glyph('held').drawn} {shown} HOLD {format_span(now - state.hold.since)}"
    why = f": {state.hold.reason}"
    return [Segment((spans(Span(held + why, "warn")), spans(Span(held, "warn"))), 1)]


def _phase(view: View, clock: LaunchClock) -> list[Segment]:
    runbook = view.state.runbook
    if runbook is None or not runbook.phases:
        return []
    total = len(runbook.phases)
    where = direction(view.state)
    if where is not Direction.FORWARD:
        tone = "ok" if where is Direction.ROLLED_BACK else "warn"
        return [Segment((spans(Span(where.value.upper(), tone)),), 2)]
    if clock.phase_index >= total:
        return [Segment((spans(f"all {total} phases over"), spans("all over"), ()), 4)]
    number = f"{clock.phase_index + 1}/{total}"
    title = runbook.phases[clock.phase_index].title
    return [
        Segment(
            (spans(f"phase {number} {title}"), spans(f"{number} {title}"), spans(number), ()), 4
        )
    ]


def _drift(view: View, clock: LaunchClock) -> list[Segment]:
    if view.state.closed is not None or direction(view.state) is not Direction.FORWARD:
        return []
    end = f"ends {format_offset(clock.forecast_end_s)[:-3]}"
    forecast = Segment((spans(Span(end, "dim")), ()), 5)
    span = format_span(clock.drift_s)
    if clock.drift_s > ON_PLAN_S:
        tone, text = "warn", f"{span} behind"
    elif clock.drift_s < -ON_PLAN_S:
        tone, text = "ok", f"{span} ahead"
    else:
        tone, text = "ok", "on time"
    return [Segment((spans(Span(text, tone)), ()), 3), forecast]


def _lamp_line(view: View, width: int, now: float) -> Line:
    segments = [
        *_engine(view), *_question(view), *_people(view), *_recording(view), *_rollback(view),
        *_criteria(view), *_panels(view), *_probes(view, now), *_links(view), *_untold(view),
        *_missed(view),
    ]  # fmt: skip
    return fit_segments(segments, width)


def _engine(view: View) -> list[Segment]:
    if view.ended:
        closed = view.state.closed
        dot = sign("dot")
        word = "CLOSED" if closed is not None else "ENDED"
        long = f"{word} {dot} {closed.outcome}" if closed is not None else f"ENDED: {view.ended}"
        return [Segment((spans(Span(long, "warn")), spans(Span(word, "warn"))), 0)]
    if view.lost is None:
        return []
    lost = f"feed lost {int(view.lost_for_s())} s ago, retry {view.lost.attempt}"
    return [
        Segment(
            (spans(Span(f"{lost}: {view.lost.why}", "failing")), spans(Span(lost, "failing"))), 0
        )
    ]


def _question(view: View) -> list[Segment]:
    runs = view.state.unsettled_runs()
    if not runs or view.state.closed is not None:
        return []
    look = glyph("unsettled")
    short = f" {look.drawn} {runs[0].step_id} UNKNOWN "
    said = (f"{short.rstrip()}: decision awaited ", short)
    return [Segment(tuple(spans(Span(one, look.style)) for one in said), 1)]


def _people(view: View) -> list[Segment]:
    count = len(view.watching) + view.watching_more
    eyes = f"{glyph('watching').drawn} {count}"
    watching = (
        Segment((spans(Span(f"{eyes} watching", "watching")), spans(Span(eyes, "watching")), ()), 5)
        if count
        else None
    )
    holder = view.holder or "nobody"
    if not view.observer and (view.role is None or view.role.operator):
        who = Segment((spans(Span("operator ", "dim"), holder), spans(holder), ()), 4)
    else:
        owned = f"WATCHING {holder}'s window" if view.holder else "WATCHING, nobody drives"
        said = (f"{owned} {sign('dot')} read only", owned, f"WATCHING {holder}", "WATCHING")
        who = Segment(tuple(spans(Span(one, "accent")) for one in said), 1)
    return [one for one in (who, _delay(view), watching) if one]


def _delay(view: View) -> Segment | None:
    """How late an observer's feed is; nothing where the engine is on the same machine."""
    if view.delay_ms is None or view.lost is not None or view.ended:
        return None
    tone = "warn" if view.delay_ms > SLOW_MS else "dim"
    said = f"{view.delay_ms / 1000:.1f} s" if view.delay_ms >= 1000 else f"{view.delay_ms:.0f} ms"
    return Segment((spans(Span(f"feed {said}", tone)), ()), 5)


def _recording(view: View) -> list[Segment]:
    if view.ended or view.lost is not None or view.state.closed is not None:
        return []
    pulse = view.pulse
    if view.state.spill:
        aside = f"{glyph('recording').drawn} SPILL"
        said = (f"{aside}: recording in spill file {view.state.spill}", f"{aside} FILE", aside)
        return [Segment(tuple(spans(Span(one, "warn")) for one in said), 0)]
    if pulse is not None and not pulse.journal_ok:
        bad = f"{glyph('failing').drawn} NOT RECORDING"
        return [
            Segment(
                (spans(Span(f"{bad}: {pulse.problem}", "failing")), spans(Span(bad, "failing"))), 0
            )
        ]
    if view.role is not None and view.role.elsewhere:
        return []  # it reads the journal alone: whether somebody writes it is theirs to say
    dot = glyph("recording").drawn
    return [
        Segment(
            (
                spans(Span(f"{dot} recording", "recording")),
                spans(Span(f"{dot} rec", "recording")),
                (),
            ),
            6,
        )
    ]


def format_estimate(seconds: float) -> str:
    """A length of time to come: `22s`, `4m12s`, `1h05m`."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole // 60 % 60:02}m"


def _rollback(view: View) -> list[Segment]:
    action = view.rollback()
    if action is None:
        return []
    turn = glyph("rollback").drawn
    name = action.title.upper() if len(action.title) <= 12 else "ROLLBACK"
    seen = view.state.readiness.get(action.id)
    if seen is None:
        long, short = f"{turn} {name} not checked yet", f"{glyph('unknown').drawn} {name}"
        return [Segment((spans(Span(long, "unknown")), spans(Span(short, "unknown"))), 2)]
    if view.rolled_back() is not None and seen.estimate_s < 1:
        return [Segment((spans(Span(f"{turn} ROLLED BACK", "ok")),), 2)]
    if seen.ready:
        long = f"{turn} {name} READY ~{format_estimate(seen.estimate_s)}"
        short = f"{turn} READY ~{format_estimate(seen.estimate_s)}"
        said = (long, short, f"{turn} READY")
        return [Segment(tuple(spans(Span(one, "ok")) for one in said), 2)]
    dark = f"{turn} {name} NOT READY"
    parts = [f"{dark}: {'; '.join(seen.missing)}"] if seen.missing else []
    if len(seen.missing) > 1:
        parts.append(f"{dark}: {seen.missing[0]} +{len(seen.missing) - 1}")
    if seen.missing:
        rest = f" +{len(seen.missing) - 1}" if len(seen.missing) > 1 else ""
        parts.append(f"{turn} NOT READY: {seen.missing[0]}{rest}")
        parts.append(f"{turn} NOT READY: {cut(seen.missing[0], 20)}{rest}")
    # Whatever the width, what is missing is said before anything else is.
    wordings = parts or [dark, f"{turn} NOT READY"]
    return [Segment(tuple(spans(Span(one, "warn")) for one in wordings), 2)]


_VERDICTS = ((Verdict.FAIL, "failed"), (Verdict.ERROR, "error"), (Verdict.AS_BEFORE, "warn"),
             (Verdict.PASS, "ok"), (Verdict.INCONCLUSIVE, "unknown"))  # fmt: skip


_SAID = (Verdict.FAIL, Verdict.PASS)
"""What a person can say of a criterion that the console can't judge."""


def verdict_look(verdict: Verdict) -> str:
    """The name of a verdict's glyph."""
    return dict(_VERDICTS)[verdict]


def _criteria(view: View) -> list[Segment]:
    runbook = view.state.runbook
    if runbook is None or not runbook.criteria:
        return []
    judged = view.state.criteria
    counts = Counter(
        judged[one.id].verdict if one.id in judged else Verdict.INCONCLUSIVE
        for one in runbook.criteria
        if one.fail_when or (one.id in judged and judged[one.id].verdict in _SAID)
    )
    long: list[Span] = [Span("criteria", "dim")]
    short: list[Span] = [Span("crit", "dim")]
    for verdict, look in _VERDICTS:
        if count := counts[verdict]:
            tone = glyph(look).style
            long.append(Span(f" {count} {verdict.value}", tone))
            short.append(Span(f" {count}{glyph(look).drawn}", tone))
    return [Segment((tuple(long), tuple(short)), 3)]


def _panels(view: View) -> list[Segment]:
    """Metrics beyond their limits, whether a trigger judges them already or not."""
    count = len(failing_panels(view.state, view.panel_readings()))
    if not count or view.state.closed is not None:
        return []
    look = glyph("failing")
    said = (f"{look.drawn} {counted(count, 'metric')} {look.word}", f"{look.drawn} {count} met")
    return [Segment(tuple(spans(Span(one, look.style)) for one in said), 2)]


def _probes(view: View, now: float) -> list[Segment]:
    runbook = view.state.runbook
    counts = Counter(view.health(one, now) for one in (runbook.probes if runbook else ()))
    shown: list[Spans] = []
    for name in ("failing", "error", "stale", "warn"):
        if count := counts[name]:
            look = glyph(name)
            shown.append(spans(Span(f"{look.drawn} {count} {look.word}", look.style)))
    if not shown and counts["ok"]:
        look = glyph("ok")
        return [Segment((spans(Span(f"{look.drawn} {counted(counts['ok'], 'probe')} ok", "ok")),
                         spans(Span(f"{look.drawn} {counts['ok']}", "ok")), ()), 3)]  # fmt: skip
    return [
        Segment((one, spans(Span(one[0].text.rpartition(" ")[0], one[0].tone))), 2) for one in shown
    ]


def _links(view: View) -> list[Segment]:
    broken = [one for one in view.links.values() if one.state != "connected"]
    segments = []
    for link in broken[:2]:
        tries = f" {link.attempt}" if link.attempt else ""
        long = f"{link.target} {link.state}{tries}"
        segments.append(Segment((spans(Span(long, "warn")), spans(Span(link.target, "warn"))), 3))
    return segments


def _untold(view: View) -> list[Segment]:
    count = len(view.state.telling.untold)
    if not count:
        return []
    look = glyph("warn")
    return [Segment((spans(Span(f"{look.drawn} {count} not told", look.style)),), 4)]


def _missed(view: View) -> list[Segment]:
    if not view.missed_signals:
        return []
    return [Segment((spans(Span(f"{view.missed_signals} signals missed", "dim")), ()), 7)]


class Header(Pane, can_focus=False):
    """The two lines at the top."""

    chooses = False

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        return header_lines(self.view, width, now)
