"""Keys that are typed faster than dialogs open or close never reach what they weren't meant for.

Over a slow link `h`, a reason and Enter arrive in one piece. Textual looks a key up in what is in
front when it comes, so without this module the reason's letters would be keys of the window: while
a dialog is opening, keys wait for it. When a dialog goes that the person didn't answer (it was
refused, cancelled, or closed by itself), text that is still being typed is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from textual import events
from textual.app import App
from textual.command import CommandList, CommandPalette
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widgets import Input

MOST_S = 2.0
"""How long, in seconds, keys wait for a sheet; after that they are the window's again."""
REST_S = 0.4
"""How long, in seconds, text is dropped after a refusal or the close of a dialog. Each dropped key
begins the rest again, so a word that is being typed is dropped as a whole, with its Enter."""
_ANSWER_S = 1.0
"""A dialog that closes within this time after the person's Enter was closed by it."""
_PASSED_S = 0.5

Typed = events.Key | events.Paste
_flow: ContextVar[object | None] = ContextVar("flow", default=None)


class TypedAhead:
    """Holds keys while a flow is on its way to its sheet, then gives them one after the other.

    `give` handles an event as the app does when it comes. `dropped` is called with each key that
    the rest after a close dropped. `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        app: App[None],
        give: Callable[[Typed], Awaitable[None]],
        dropped: Callable[[Typed], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._give = give
        self._dropped = dropped
        self.clock = clock
        self._rests_until = 0.0
        self._answered_at = float("-inf")
        """When the last key came, if it may have answered a dialog."""
        self._between: dict[object, asyncio.TimerHandle] = {}
        """The flows whose sheet isn't there yet; when it isn't waited for any more."""
        self._asking: dict[Screen[Any], object] = {}
        self._kept: list[Typed] = []
        self._giving: asyncio.Task[None] | None = None
        self._in_hand = False
        """One of those kept is being given: what comes up to the app is that one."""
        self._path: list[MessagePump] = []
        """Through whose hands the keys went that came before the sheet."""
        self._last_key = self._opener = ""
        self._shown_at = 0.0
        """When the newest sheet came in front, on the clock of events."""

    def keeps(self, event: Typed) -> bool:
        """Whether the app must leave this event alone, now that it comes, or that nothing in
        front had a use for it."""
        given = self._in_hand and event.is_forwarded
        if not given and (self._between or self._giving is not None):
            self._kept.append(_again(event))
            return True
        if not given and self._drops(event):
            return True
        if not event.is_forwarded and self._chooses(event):
            self._kept.append(_again(event))
            self._giving = asyncio.create_task(self._give_kept())
            return True
        if event.is_forwarded:
            self._last_key = event.key if isinstance(event, events.Key) else ""
        else:
            self._note_answer(event)
        return False

    @property
    def holds(self) -> bool:
        """Whether keys wait for a dialog, or are being given to it."""
        return bool(self._between or self._kept or self._giving is not None)

    # The rest after a refusal or a close

    def rest(self) -> None:
        """Drop text for `REST_S`: whoever types it hasn't seen yet what is in front now."""
        self._rests_until = self.clock() + REST_S

    def _drops(self, event: Typed) -> bool:
        if not is_text(event) or self.clock() >= self._rests_until:
            return False
        self.rest()
        self._dropped(event)
        return True

    def _chooses(self, event: Typed) -> bool:
        """Whether it is the palette's Enter: the palette takes several messages to close, and what
        is typed meanwhile is for what the choice opens."""
        front = self._app.screen if self._giving is None else None
        return isinstance(front, CommandPalette) and getattr(event, "key", "") == "enter"

    def _note_answer(self, event: Typed) -> None:
        """Enter answers a dialog, and so does a letter where there is no field to type it into."""
        answers = isinstance(event, events.Key) and (
            event.key == "enter"
            or (event.is_printable and not isinstance(self._app.focused, Input))
        )
        self._answered_at = self.clock() if answers else float("-inf")

    # What flows tell it

    def begin(self) -> object:
        """A key began a flow, which says so as it `runs`."""
        flow = object()
        self._path, self._opener = self._front(), self._last_key
        self._await(flow)
        return flow

    @contextmanager
    def runs(self, flow: object | None) -> Iterator[None]:
        """Around a flow, in its own task; None: no key began it."""
        _flow.set(flow)
        try:
            yield
        finally:
            self._settle(flow)

    def shown(self, screen: Screen[Any]) -> None:
        """In a flow: the sheet that it asks is in front, and takes keys."""
        flow = _flow.get()
        if flow is not None:
            self._rests_until = 0.0
            self._shown_at = Message().time
            self._asking[screen] = flow
            self._settle(flow)

    def answered(self, screen: Screen[Any]) -> None:
        """A screen is about to go. What its flow does next may be another sheet. Unless the
        person's own answer closed it, text that is still being typed was meant for it."""
        unread = getattr(screen, "rests_after", False)
        if unread or self.clock() - self._answered_at > _ANSWER_S:
            self.rest()
        self._answered_at = float("-inf")
        flow = self._asking.pop(screen, None)
        if flow is not None:
            self._path, self._opener = [], ""
            self._await(flow)

    @contextmanager
    def sends(self) -> Iterator[None]:
        """In a flow, while the engine is waited for: that holds no key."""
        flow = _flow.get()
        self._settle(flow)
        try:
            yield
        finally:
            if flow is not None:
                self._await(flow)

    def _await(self, flow: object) -> None:
        loop = asyncio.get_running_loop()
        self._between[flow] = loop.call_later(MOST_S, self._settle, flow)

    def _settle(self, flow: object | None) -> None:
        timer = self._between.pop(flow, None)
        if timer is not None:
            timer.cancel()
        if self._giving is None and not self._between and (timer is not None or self._kept):
            self._giving = asyncio.create_task(self._give_kept())

    # What is given

    async def _give_kept(self) -> None:
        try:
            # those that came before the sheet did may still be on their way up to the app
            await _passed(self._path)
            self._kept.sort(key=lambda one: one.time)
            while self._kept and not self._between:
                event = self._kept.pop(0)
                early = event.time <= self._shown_at
                if early and self._opener == "enter" == getattr(event, "key", ""):
                    continue  # pressed twice: nobody has read yet what it would confirm
                self._opener = ""
                if self._drops(event):
                    continue
                self._note_answer(event)
                path, self._in_hand = self._front(), True
                await self._give(event)
                # once for the key, once more for what it made the widget say (`Submitted`), and
                # in the palette once more for what that made its list say (`OptionSelected`)
                for _ in range(3):
                    await _passed(path)
                self._in_hand = False
        finally:
            self._giving, self._in_hand = None, False
            if self._kept and not self._between:
                self._settle(None)

    def _front(self) -> list[MessagePump]:
        """Through whose hands a key goes that comes now."""
        screen = self._app.screen
        path: list[MessagePump] = list((screen.focused or screen).ancestors_with_self)
        if isinstance(screen, CommandPalette):
            path = [one for choices in screen.query(CommandList)
                    for one in choices.ancestors_with_self] + path  # fmt: skip
        return path


def is_text(event: Typed) -> bool:
    """Whether it is text, or the Enter that ends one; Esc, arrows and the like are not."""
    return isinstance(event, events.Paste) or event.is_printable or event.key == "enter"


async def _passed(path: Sequence[MessagePump]) -> None:
    """Wait until each of them has done what waits for it now, one after the other."""
    for one in path:
        done = asyncio.Event()
        if one.is_running and one.call_later(done.set):
            with suppress(TimeoutError):  # it may be on its way out
                async with asyncio.timeout(_PASSED_S):
                    await done.wait()


def _again(event: Typed) -> Typed:
    """The same, as it came: it can be looked at once only."""
    if isinstance(event, events.Key):
        copy: Typed = events.Key(event.key, event.character)
    else:
        copy = events.Paste(event.text)
    copy.time = event.time
    return copy
