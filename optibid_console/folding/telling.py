"""What is known after people were told, or weren't."""

from __future__ import annotations

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.folding.register import on
from optibid_console.state import Untold, WindowState


@on(e.Told)
def _(s: WindowState, entry: e.Entry, f: e.Told) -> WindowState:
    key, told = (f.about, f.channel), s.telling
    return changed(s, telling=changed(
        told,
        settled=told.settled.put(key, True),
        untold={one: what for one, what in told.untold.items() if one != key},
        last={**told.last, f.channel: (f.title, entry.at)},
    ))  # fmt: skip


@on(e.TellingFailed)
def _(s: WindowState, entry: e.Entry, f: e.TellingFailed) -> WindowState:
    retry_at = 0.0 if f.over else entry.at + f.retry_in_s
    untold = Untold(f.about, f.channel, f.title, entry.at, f.reason, f.attempt, retry_at)
    return _untold(s, untold, settled=f.over)


@on(e.TellingSkipped)
def _(s: WindowState, entry: e.Entry, f: e.TellingSkipped) -> WindowState:
    before = s.telling.untold.get((f.about, f.channel))
    attempts = before.attempts if before else 0
    untold = Untold(f.about, f.channel, f.title, entry.at, f.reason, attempts)
    return _untold(s, untold, settled=True)


def _untold(s: WindowState, one: Untold, *, settled: bool) -> WindowState:
    key, told = (one.about, one.channel), s.telling
    after = changed(told, untold={**told.untold, key: one})
    return changed(
        s, telling=changed(after, settled=told.settled.put(key, False)) if settled else after
    )


@on(e.ChannelsSet)
def _(s: WindowState, entry: e.Entry, f: e.ChannelsSet) -> WindowState:
    return changed(s, telling=changed(s.telling, off=dict(f.off)))
