"""Sharing the window: links for observers, who watches, and an end to it."""

from __future__ import annotations

from optibid_console import commands as c
from screens.flows.desk import Desk

HOURS = 12.0


class Sharing:
    """What the operator does for who only wants to watch."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def begin(self, wanted: c.StartSharing) -> None:
        """`--serve`: listen, unless the window is shared already, and show a link."""
        if self.desk.view.state.sharing.started is None and not await self.desk.send(wanted):
            return
        name = "observers"
        links = self.desk.view.state.sharing.links
        number = 2
        while name in links:
            name, number = f"observers-{number}", number + 1
        await self._new(name)

    async def sheet(self) -> None:
        """How the window is shared, and the ways on; again after each of them."""
        from screens.modals.sharing import sharing_sheet

        while True:
            said = await self.desk.stage.ask(sharing_sheet(self.desk.view))
            if said is None or not self.desk.allowed():
                return
            kind, _, name = said.partition(":")
            if kind == "start":
                if not await self._start():
                    return
            elif kind == "new":
                who = await self.desk.reason(
                    "A link to watch with",
                    "For whom is it? The name is recorded, and shown while they watch.",
                    "name",
                )
                if not who:
                    continue
                await self._new(who)
                return
            elif kind == "revoke":
                await self.desk.send(c.Revoke(name))
            elif kind == "stop":
                await self.desk.send(c.StopSharing("the operator stopped it"))

    async def _start(self) -> bool:
        address = await self.desk.reason(
            "Share this window",
            "Observers watch through a link and can change nothing. At which address of this "
            "machine are they listened for? HOST:PORT; `:7443` is every address.",
            "address",
        )
        return bool(address) and await self.desk.send(c.StartSharing(address or ""))

    async def _new(self, name: str) -> None:
        command = c.Share(name.strip(), HOURS)
        if not self.desk.allowed(command):
            return
        reply = await self.desk.ask(command)
        if reply is not None and reply.link:
            from screens.modals.sharing import LinkSheet

            await self.desk.stage.ask(LinkSheet(self.desk.view, name, reply.link, HOURS))
