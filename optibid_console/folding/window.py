"""What the facts of a window's life do to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.codec import from_plain
from optibid_console.delivered import in_words
from optibid_console.folding.register import on
from optibid_console.runbook.difference import measured_anew
from optibid_console.runbook.model import Runbook
from optibid_console.state import Hold, Note, WindowState

T = TypeVar("T")


@on(e.WindowOpened)
def _(s: WindowState, entry: e.Entry, f: e.WindowOpened) -> WindowState:
    return changed(
        s, window_id=f.window_id, name=f.name, version=f.version, stamp=f.stamp, t0=f.t0,
        speed=f.speed, digest=f.digest, runbook=from_plain(Runbook, f.runbook),
        opened_at=entry.at, rehearsal=f.rehearsal,
        facts={"window.id": f.window_id, "window.stamp": f.stamp, "window.version": f.version},
    )  # fmt: skip


@on(e.EngineStarted)
def _(s: WindowState, entry: e.Entry, f: e.EngineStarted) -> WindowState:
    return changed(s, engine=f, epoch=max(s.epoch, f.epoch))


@on(e.RunbookAccepted)
def _(s: WindowState, entry: e.Entry, f: e.RunbookAccepted) -> WindowState:
    runbook = from_plain(Runbook, f.runbook)
    window = runbook.window
    after = changed(
        s, digest=f.digest, runbook=runbook, name=window.name, version=window.version,
        speed=window.speed, facts={**s.facts, "window.version": window.version},
    )  # fmt: skip
    return after if s.runbook is None else _without_what_is_gone(after, s.runbook, runbook)


def _without_what_is_gone(s: WindowState, old: Runbook, new: Runbook) -> WindowState:
    """Returns the state without what was read, judged and known of things that another runbook
    removes, or measures elsewhere: nobody would ever say anything else of them."""
    anew = measured_anew(old, new)
    probes, panels = ({name for kind, name in anew if kind == one} for one in ("probe", "panel"))
    moved = {name for name, one in old.targets.items() if new.targets.get(name) != one}
    criteria = {one.id for one in new.criteria}
    actions = {one.id for one in new.actions}
    return changed(
        s,
        readings=_without(s.readings, probes), before=_without(s.before, probes),
        panels=_without(s.panels, panels), baseline=_without(s.baseline, panels),
        links=_without(s.links, moved),
        criteria=_without(s.criteria, s.criteria.keys() - criteria),
        readiness=_without(s.readiness, s.readiness.keys() - actions),
    )  # fmt: skip


def _without(known: Mapping[str, T], gone: Collection[str]) -> Mapping[str, T]:
    return {name: one for name, one in known.items() if name not in gone} if gone else known


@on(e.RehearsalMeasured)
def _(s: WindowState, entry: e.Entry, f: e.RehearsalMeasured) -> WindowState:
    return changed(s, rehearsed=f)


@on(e.WindowsMeasured)
def _(s: WindowState, entry: e.Entry, f: e.WindowsMeasured) -> WindowState:
    return changed(s, earlier=f)


@on(e.EngineStopped)
def _(s: WindowState, entry: e.Entry, f: e.EngineStopped) -> WindowState:
    return changed(s, engine=None)


@on(e.SpillOpened)
def _(s: WindowState, entry: e.Entry, f: e.SpillOpened) -> WindowState:
    return changed(s, spill=f.path)


@on(e.SpillMerged)
def _(s: WindowState, entry: e.Entry, f: e.SpillMerged) -> WindowState:
    return changed(s, spill="")


@on(e.SpillDelivered)
def _(s: WindowState, entry: e.Entry, f: e.SpillDelivered) -> WindowState:
    said = in_words(f)
    return changed(s, delivered=said, notes=s.notes.add(Note("window", said, f.holder, entry.at)))


@on(e.OperatorTook)
def _(s: WindowState, entry: e.Entry, f: e.OperatorTook) -> WindowState:
    return changed(s, operator=f.operator, epoch=f.epoch, operator_since=entry.at)


@on(e.OperatorLeft)
def _(s: WindowState, entry: e.Entry, f: e.OperatorLeft) -> WindowState:
    if f.operator != s.operator:
        return s
    return changed(s, operator="", operator_since=entry.at)


@on(e.Held)
def _(s: WindowState, entry: e.Entry, f: e.Held) -> WindowState:
    return changed(s, hold=Hold(entry.at, f.reason, entry.actor))


@on(e.Resumed)
def _(s: WindowState, entry: e.Entry, f: e.Resumed) -> WindowState:
    return changed(s, hold=None, t0=s.t0 + f.shift_s, held_s=s.held_s + f.shift_s)


@on(e.WindowClosed)
def _(s: WindowState, entry: e.Entry, f: e.WindowClosed) -> WindowState:
    return changed(s, closed=f, closed_at=entry.at)
