"""Sharing the window with observers."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console.permit.rule import Rules
from optibid_console.runbook.model import Runbook
from optibid_console.state import WindowState

MAX_LINK_NAME = 40
MAX_LINK_HOURS = 168.0


def _share(runbook: Runbook, state: WindowState, command: c.Share) -> str:
    name = command.name.strip()
    if state.sharing.started is None:
        return "observers aren't listened for yet: share this window at an address first"
    if not name or len(name) > MAX_LINK_NAME or not name.isprintable():
        return f"a link is for somebody: a name of 1 to {MAX_LINK_NAME} characters"
    known = state.sharing.links.get(name)
    if known is not None and known.expires_at > state.at:
        return f"there is a link for {name} already: revoke it first, or take another name"
    if not 0 < command.hours <= MAX_LINK_HOURS:
        return f"a link lasts up to {MAX_LINK_HOURS:g} hours"
    return ""


def _revoke(runbook: Runbook, state: WindowState, command: c.Revoke) -> str:
    return "" if command.name in state.sharing.links else f"no link for {command.name!r}"


def _start_sharing(runbook: Runbook, state: WindowState, command: c.StartSharing) -> str:
    started = state.sharing.started
    return f"this window is shared already, at {started.address}" if started else ""


def _stop_sharing(runbook: Runbook, state: WindowState, command: c.StopSharing) -> str:
    return "" if state.sharing.started else "this window isn't shared"


RULES: Rules = {
    c.StartSharing: _start_sharing,
    c.Share: _share,
    c.Revoke: _revoke,
    c.StopSharing: _stop_sharing,
}
