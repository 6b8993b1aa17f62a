"""What the facts about sharing do to the window."""

from __future__ import annotations

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.folding.register import on
from optibid_console.state import SharedLink, SharingState, WindowState


@on(e.SharingStarted)
def _(s: WindowState, entry: e.Entry, f: e.SharingStarted) -> WindowState:
    return changed(s, sharing=changed(s.sharing, started=f, stopped=""))


@on(e.SharingStopped)
def _(s: WindowState, entry: e.Entry, f: e.SharingStopped) -> WindowState:
    return changed(s, sharing=SharingState(stopped=f.reason))


@on(e.WatchShared)
def _(s: WindowState, entry: e.Entry, f: e.WatchShared) -> WindowState:
    link = SharedLink(f.name, f.token_sha256, f.expires_at, entry.actor, entry.at)
    return changed(s, sharing=changed(s.sharing, links={**s.sharing.links, f.name: link}))


@on(e.WatchRevoked)
def _(s: WindowState, entry: e.Entry, f: e.WatchRevoked) -> WindowState:
    left = {name: one for name, one in s.sharing.links.items() if name != f.name}
    return changed(s, sharing=changed(s.sharing, links=left))
