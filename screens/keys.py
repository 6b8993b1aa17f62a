"""Every key of the console, as a table: bindings, footer and help are made of it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

PANES = ("timeline", "checklist", "logs", "run", "probes", "metrics")
"""The panes in the order of their number keys, `1` first."""
TITLES = {
    "timeline": "Timeline", "checklist": "Checklist", "logs": "Logs", "run": "Run",
    "probes": "Probes", "metrics": "Metrics",
}  # fmt: skip
LEAVE = "Leave"
"""The title of the sheet of `q`."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it does and where it does something."""

    id: str
    """Its name in the runbook's `[keys]`."""
    key: str
    action: str
    """The screen's action."""
    word: str
    """In the footer; empty: only in the help."""
    help: str
    drives: bool = False
    """Only for who holds the lease."""
    panes: tuple[str, ...] = ()
    """Where it does something; empty: everywhere."""


STEPS = ("timeline",)
SUBJECTS = ("timeline", "checklist", "probes")

KEYS: tuple[Key, ...] = (
    Key("open", "enter", "open", "run", "run or settle the step, open what is under the cursor",
        panes=("timeline", "checklist", "probes", "run", "metrics")),
    Key("tick", "space", "tick", "tick", "tick the item; in the timeline fold the phase",
        panes=("checklist", "timeline")),
    Key("note", "n", "note", "note", "write a note on what is under the cursor", True, SUBJECTS),
    Key("skip", "s", "skip", "skip", "skip or waive the step, or call the item n/a; say why",
        True, ("timeline", "checklist")),
    Key("jump", "J", "jump", "", "jump: go on from this step, or run it again; say why", True,
        STEPS),
    Key("abort", "x", "abort", "abort", "abort the run that is under way", True),
    Key("hold", "h", "hold", "hold", "hold the clock and say why; again: resume", True),
    Key("poll", "g", "poll", "poll", "call a go/no-go poll, or vote in it"),
    Key("contacts", "c", "contacts", "contacts",
        "whom to call, the escalation clock, and who was told"),
    Key("acknowledge", "a", "acknowledge", "",
        "acknowledge the escalation's next rung: it was done", True),
    Key("zoom", "z", "zoom", "zoom", "give the pane the whole screen, and back"),
    Key("back", "escape", "back", "", "back: out of the zoom, back to following"),
    Key("lease", "l", "lease", "", "who holds the window; watch or take over"),
    Key("help", "question_mark", "help", "help", "the keys of where you are"),
    Key("leave", "q", "leave", "leave", "leave: the window goes on, or is closed"),
    Key("next-pane", "tab", "cycle(1)", "", "the next pane"),
    Key("previous-pane", "shift+tab", "cycle(-1)", "", "the pane before"),
    *(Key(f"pane-{name}", str(i), f"pane('{name}')", "", TITLES[name].lower())
      for i, name in enumerate(PANES, 1)),
)  # fmt: skip

_FOLDS = (("Left Right", "fold, unfold"),)
PANE_KEYS: dict[str, tuple[tuple[str, str], ...]] = {
    "timeline": _FOLDS,
    "checklist": _FOLDS,
    "logs": (
        ("/", "filter: plain, /regex/, level:error, tail:backend, -not"),
        ("e E", "next and previous error"),
        ("p f", "pause, follow"),
        ("w t", "wrap, one tail after the other"),
        ("y", "copy what is seen, and save it to a file"),
    ),
    "run": (
        ("f", "follow the output's end"),
        ("Left Right", "see more of long lines"),
        ("[ ]", "the run before, the next one"),
    ),
}
"""Keys that the panes have themselves: for the help."""

MOVES = (
    ("Up Down j k", "move"),
    ("PgUp PgDn", "a page"),
    ("Home End", "the first, the last"),
)


def bindings() -> list[Binding]:
    """The window's bindings; each has its id, so that the runbook can move it."""
    return [
        Binding(one.key, one.action, one.help, show=False, id=one.id, priority=one.key == "tab")
        for one in KEYS
    ]


def shown_key(key: str) -> str:
    """A key as people call it: `question_mark` → `?`, `escape` → `Esc`."""
    names = {"question_mark": "?", "escape": "Esc", "shift+tab": "S-Tab", "tab": "Tab",
             "ctrl+p": "^p"}  # fmt: skip
    return names.get(key, key)
