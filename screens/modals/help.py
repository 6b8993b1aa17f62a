"""The keys of where you are."""

from __future__ import annotations

from screens.glyphs import GLYPHS
from screens.keys import KEYS, MOVES, PANE_KEYS, PANES, TITLES, shown_key
from screens.lines import BLANK, Line, Span, row, sign, spans
from screens.modals.choose import Choose
from screens.modals.sheet import heading
from screens.view import View

_PANE_IDS = frozenset(f"pane-{name}" for name in PANES)


def help_lines(view: View, pane: str, width: int) -> list[Line]:
    """The pane's keys first, then those that work everywhere, then what the glyphs mean."""
    runbook = view.state.runbook
    moved = runbook.keys if runbook else {}
    here = [(shown_key(moved.get(one.id, one.key)), one.help) for one in KEYS if pane in one.panes]
    unsettled = view.state.unsettled_runs() if view.drives else ()
    lines = _keys([("1 Enter", f"settle {one.step_id}: say how it ended, nobody else knows")
                   for one in unsettled], width)  # fmt: skip
    lines += [BLANK] if unsettled else []
    lines.append(heading(f"In {TITLES.get(pane, 'the window')}"))
    lines += _keys([*here, *PANE_KEYS.get(pane, ()), *MOVES], width)
    lines += [BLANK, heading("Everywhere")]
    if not view.drives:
        lines.append(
            row(width, (Span("  you only watch: keys that change something say so", "dim"),))
        )
    if runbook is not None:
        actions = [
            (
                shown_key(moved.get(one.id, one.key)),
                f"{one.title}: says what would happen, then asks",
            )
            for one in runbook.actions
            if one.key
        ]
        lines += _keys(actions, width)
    everywhere = [
        (shown_key(moved.get(one.id, one.key)), one.help)
        for one in KEYS
        if not one.panes and one.id not in _PANE_IDS
    ]
    numbers = [shown_key(moved.get(one.id, one.key)) for one in KEYS if one.id in _PANE_IDS]
    everywhere.append((f"{numbers[0]} {sign('more')} {numbers[-1]}", ", ".join(TITLES.values())))
    lines += _keys([*everywhere, ("^p", "find anything by name")], width)
    lines += [BLANK, heading("Signs")]
    names = ("ok", "warn", "failing", "error", "running", "pending", "skipped", "stale", "unknown")
    for start in range(0, len(names), 3):
        line: list[Span] = [Span("  ")]
        for name in names[start : start + 3]:
            look = GLYPHS[name]
            line += [Span(look.drawn, look.style), Span(f" {look.word:<14}")]
        lines.append(row(width, line))
    run = (Span(f"  {sign('stderr')}", "warn"), Span(" stderr in a run's output     "),
           Span(sign("notice"), "accent"), Span(" the console's own words there"))  # fmt: skip
    return [*lines, row(width, run)]


def _keys(keys: list[tuple[str, str]], width: int) -> list[Line]:
    return [row(width, spans(Span(f"  {key:<13}", "key"), text)) for key, text in keys]


def help_sheet(view: View, pane: str) -> Choose:
    return Choose(view, "Help", lambda width, now: help_lines(view, pane, width), tuple)
