"""Another runbook in mid-window: what it changes is shown, then the engine goes by it."""

from __future__ import annotations

from optibid_console import commands as c
from screens.flows.desk import Desk


class Reloading:
    """How the operator goes by a config that has changed."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def reload(self) -> None:
        """Show how the engine's config differs from the window's runbook; Enter goes by it."""
        if not self.desk.allowed():
            return
        with self.desk.stage.checking("reading the runbook again …"):
            reply = await self.desk.ask(c.LookAtRunbook())
        if reply is None or reply.runbook is None:
            return
        difference = reply.runbook
        if difference.empty:
            self.desk.stage.say(reply.said)
            return
        from screens.modals.reload import reload_sheet

        confirmed = await self.desk.stage.ask(reload_sheet(self.desk.view, difference))
        if confirmed is None:
            return
        command = c.ReloadRunbook(difference.digest, difference.secrets)
        if self.desk.allowed(command):
            with self.desk.stage.checking("the runbook is being changed …"):
                await self.desk.send(command)
