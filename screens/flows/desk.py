"""What every flow shares: whether it may go on, asking for a reason, sending a command."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, TypeGuard, TypeVar

from textual.screen import Screen

from optibid_console import commands as c
from optibid_console.permit import permit
from optibid_console.source import ControlSource, Source, SourceError
from screens.refusals import Refusal, refusal
from screens.view import View

R = TypeVar("R")


def can_send(source: Source) -> TypeGuard[ControlSource]:
    """Whether commands can be sent through it; an observer's has no way to."""
    return hasattr(source, "send")


class Stage(Protocol):
    """What an operator's flow needs of the app."""

    source: Source | None

    @property
    def view(self) -> View:
        """What the screens show."""

    async def ask(self, screen: Screen[R]) -> R | None:
        """Show a sheet and wait for what it gives."""

    def waiting_for_engine(self) -> AbstractContextManager[None]:
        """Around a wait for what the engine answers: keys don't wait with the flow."""

    def say(self, text: str, *, bad: bool = False) -> None:
        """Tell the person something in passing."""

    def checking(self, what: str) -> AbstractContextManager[None]:
        """Around a wait for a check: the top of the screen says what is checked."""

    def refuse(self, refusal: Refusal) -> None:
        """Open a dialog that says why something isn't done; doesn't wait for its end."""

    def show_run(self, run_id: str) -> None:
        """Show a run's output."""

    def leave(self, text: str = "") -> None:
        """End this screen; `text` is for the command line."""


class Desk:
    """Where an operator looks, asks and sends. The engine decides."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @property
    def view(self) -> View:
        return self.stage.view

    def blocked(self) -> str:
        """Why a key that changes something does nothing here; empty when it does."""
        view = self.view
        if view.ended:
            return f"the window has ended here: {view.ended}"
        if view.lost is not None:
            return "the feed is lost: nothing can be sent until it is back"
        if view.observer:
            return "read only: this link is for watching, nothing can be changed with it"
        if view.state.runbook is None:
            return "the engine is still starting"
        if not view.drives:
            holder = view.holder
            who = f"{holder} holds this window" if holder else "nobody holds this window"
            return f"read only: {who}. Press l to take over"
        return ""

    def allowed(self, command: c.Command | None = None) -> bool:
        """Returns whether to go on; a dialog says why not."""
        why = self.blocked() or (permit(self.view.state, command) if command else "")
        if why:
            self.refuse(why, command)
        return not why

    def refuse(self, why: str, command: c.Command | None = None) -> None:
        """Open the dialog that says why `command`, or what the key does, isn't done."""
        self.stage.refuse(refusal(self.view, command, why))

    async def send(self, command: c.Command) -> bool:
        """Send it and say what the engine answered; True when it was accepted."""
        return self.answered(await self.reply(command), command)

    def answered(self, reply: c.Reply | None, command: c.Command) -> bool:
        """Say what the engine answered to `command`; True when it accepted."""
        if isinstance(reply, c.Refused):
            self.refuse(reply.why, command)
        elif reply is not None and reply.said:
            self.stage.say(reply.said)
        return isinstance(reply, c.Accepted)

    async def ask(self, command: c.Command) -> c.Accepted | None:
        """Send it; None, and why is said, when it wasn't accepted."""
        reply = await self.reply(command)
        if isinstance(reply, c.Accepted):
            return reply
        self.answered(reply, command)
        return None

    async def reply(self, command: c.Command) -> c.Reply | None:
        """Send it; None, and why is said, when it couldn't be sent."""
        source = self.stage.source
        if source is None or not can_send(source):
            self.refuse("read only: nothing can be sent from here", command)
            return None
        try:
            with self.stage.waiting_for_engine():
                return await source.send(command)
        except SourceError as error:
            self.refuse(f"not sent: {error}", command)
            return None

    async def reason(self, title: str, text: str, prompt: str = "why") -> str | None:
        from screens.modals.ask import Ask

        return await self.stage.ask(Ask(self.view, title, text, prompt))
