"""The console's screen: paints at once, connects, then shows what its source gives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import events
from textual.app import App
from textual.command import CommandInput, CommandPalette
from textual.screen import Screen

from screens.glyphs import use_ascii
from screens.keys import KEYS, LEAVE
from screens.offers import Offers
from screens.opening import Opening
from screens.sanitise import clean_text
from screens.themes import DEFAULT_VARIABLES, THEMES, theme_name
from screens.typed_ahead import Typed, TypedAhead

if TYPE_CHECKING:
    from pathlib import Path

    from textual.await_complete import AwaitComplete
    from textual.command import Provider

    from optibid_console.commands import StartSharing
    from optibid_console.runbook.changes import GivenRunbook
    from optibid_console.source import Event, Source
    from screens.operate import Operator
    from screens.refusals import Refusal
    from screens.view import Topic, View
    from screens.window import WindowScreen

R = TypeVar("R")
FRAME_S = 1 / 15
BREATH = 256
"""After so many events that came without a pause, keys get their turn."""
_PUSH_TITLE, _POP_TITLE = "\x1b[22;2t", "\x1b[23;2t"


def _palette() -> type[Provider]:
    from screens.palette import Everything

    return Everything


class ConsoleApp(App[None]):
    """One screen on one window.

    `connect` gives the source, and may take its time: it finds or starts the engine.
    When it raises, the app ends with its text in `failure` and its `exit_code` (the
    error's own attribute of that name, else 1). `to_drive`: the person came to drive, so
    it is said at once when another does. `sharing`: how the window is shared as soon as
    this screen drives it. `saves_files`: copies and pictures are saved on this machine; not
    so where the person sits at another one.
    """

    CSS_PATH = "console.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_palette}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        connect: Callable[[], Awaitable[Source]],
        title: str,
        *,
        ascii: bool = False,
        theme: str = "dark",
        clock: Callable[[], float] = time.time,
        to_drive: bool = False,
        given: GivenRunbook | None = None,
        sharing: StartSharing | None = None,
        saves_files: bool = True,
    ) -> None:
        use_ascii(ascii)
        self._clock, self._given = clock, given
        self.source: Source | None = None
        self.failure = ""
        """Why it ended, for the command line to print; empty when a person left."""
        self.exit_code = 0
        self.farewell = ""
        """What to print after a person left."""
        self._connect_source = connect
        self._dirty: frozenset[Topic] = frozenset()
        self._flush_handle: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._shown_title = ""
        self._moved_keys = False
        """Whether the runbook moved keys of the console's own."""
        self.offers = Offers(self, to_drive, sharing)
        super().__init__()
        self.typed_ahead = TypedAhead(self, super().on_event, self._dropped)
        self.title = title
        self.ascii_only = ascii
        self.saves_files = saves_files
        for one in THEMES:
            self.register_theme(one)
        self.theme = theme_name(theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DEFAULT_VARIABLES)

    def get_default_screen(self) -> Screen[None]:
        return Opening()

    @cached_property
    def view(self) -> View:
        """What the screens show. Its model is loaded after the first paint."""
        from screens.view import View

        view = View(clock=self._clock)
        view.given = self._given
        return view

    @cached_property
    def window(self) -> WindowScreen:
        """The window's screen: loading its panes takes as long as the first paint."""
        from screens.window import WindowScreen

        return WindowScreen(self.view)

    @cached_property
    def operator(self) -> Operator:
        """The flows behind the keys: loaded with the first of them, not before the first paint."""
        from screens.operate import Operator

        return Operator(self)

    def on_mount(self) -> None:
        self.set_class(self.ascii_only, "-ascii")
        self._write(_PUSH_TITLE)
        self.call_after_refresh(self._open)

    async def _open(self) -> None:
        """After the first paint: all that it must not wait for."""
        await self.push_screen(self.window)
        self.run_worker(self._live(), name="source", group="source")

    async def on_unmount(self) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
        self._write(_POP_TITLE)
        if self.source is not None:
            await self.source.close()

    # What comes in

    async def _live(self) -> None:
        from optibid_console.errors import SourceError

        try:
            self.source = await self._connect_source()
        except Exception as error:  # whatever it is, the command line says it, not a traceback
            self._fail(error)
            return
        self.view.name = self.source.name
        self.view.observer = not hasattr(self.source, "send")
        try:
            await self._take_all(self.source)
        except SourceError as error:
            self._fail(error)

    async def _take_all(self, source: Source) -> None:
        from optibid_console.source import Ended

        taken = 0
        async for event in source.events():
            self.take(event)
            taken += 1
            if taken % BREATH == 0:
                await asyncio.sleep(0)
        if not self.view.ended:
            self.take(Ended("nothing more comes from the engine"))

    def _fail(self, error: Exception) -> None:
        from optibid_console.errors import SourceError
        from probes.error_words import bug_words, error_words

        known = isinstance(error, SourceError) or hasattr(error, "exit_code")
        said = known or isinstance(error, OSError)
        self.failure = error_words(error, 1000) if said else bug_words(error)
        self.exit_code = getattr(error, "exit_code", 1)
        self.exit(return_code=self.exit_code)

    def take(self, event: Event) -> None:
        """Keep an event and see that what it changes is drawn, at most 15 times a second."""
        from optibid_console.signals import LogLines, Missed, Sampled
        from optibid_console.source import Role
        from screens.view import Topic

        if isinstance(event, LogLines):
            self.window.logs.add(event)
        elif isinstance(event, Missed) and event.lines:
            self.window.logs.missed(event.lines)
        elif isinstance(event, Sampled) and event.subject == "panel":
            if self.view.counts(event):
                self.window.metrics.sample(event.reading)
        elif isinstance(event, Role) and self.view.drives and not event.operator and event.holder:
            self.say(f"{event.holder} took over: this screen only watches now", bad=True)
        topics = self.view.take(event)
        if Topic.RUNBOOK in topics:
            # Before the next event: samples and lines need their panel and their tail.
            self.window.set_up()
        self._dirty |= topics
        if self._dirty and self._flush_handle is None:
            loop = asyncio.get_running_loop()
            delay_s = max(0.0, self._flushed_at + FRAME_S - loop.time())
            self._flush_handle = loop.call_later(delay_s, self.draw_now)

    def draw_now(self) -> None:
        """Draw what is dirty."""
        from screens.view import Topic

        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        self._flushed_at = asyncio.get_running_loop().time()
        dirty, self._dirty = self._dirty, frozenset()
        if Topic.RUNBOOK in dirty:
            self._bind_runbook()
        self.window.redraw(dirty)
        self.redraw_sheet()
        self._ring()
        self.offers.look()

    def _bind_runbook(self) -> None:
        """The actions' keys, and the console's own where the runbook moved them."""
        runbook = self.view.state.runbook
        if runbook is None:
            return
        self._unbind_actions()
        for action in runbook.actions:
            key = runbook.keys.get(action.id, action.key)
            if key:
                self.bind(key, f"start_action({action.id!r})", description=action.title, show=False)
        ids = {one.id for one in KEYS}
        own = {name: key for name, key in runbook.keys.items() if name in ids or "." in name}
        if own or self._moved_keys:
            self.set_keymap(own)
        self._moved_keys = bool(own)

    def _unbind_actions(self) -> None:
        """Take the actions' keys back: an accepted runbook may have moved or removed them."""
        bound = self._bindings.key_to_bindings
        for key, bindings in list(bound.items()):
            kept = [one for one in bindings if not one.action.startswith("start_action(")]
            if kept:
                bound[key] = kept
            else:
                del bound[key]

    def _ring(self) -> None:
        if self.view.tripped:
            self.view.tripped.clear()
            runbook = self.view.state.runbook
            if runbook is None or runbook.window.bell:
                self.bell()
        self.show_title()

    def redraw_sheet(self) -> None:
        """Draw the sheet that is open again, when one is."""
        if self.screen is not self.window:
            from screens.modals.sheet import Sheet

            if isinstance(self.screen, Sheet) and self.screen.is_mounted:
                self.screen.redraw()

    def show_title(self) -> None:
        """Set the terminal's title when it changes."""
        from screens.window_title import terminal_title, title_sequence

        title = terminal_title(self.view, self.view.now())
        if title != self._shown_title:
            self._shown_title = title
            self._write(title_sequence(title))

    def _write(self, sequence: str) -> None:
        # Textual has no public way to set the terminal's title.
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    # What the operator's flows need (operate.Stage)

    def start(self, flow: Callable[[], Awaitable[None]], *, unasked: bool = False) -> None:
        """Run a flow that may ask, beside everything else; `unasked`: no key began it."""
        began = None if unasked else self.typed_ahead.begin()

        async def run() -> None:
            with self.typed_ahead.runs(began):
                await flow()

        self.run_worker(run(), group="operator")

    async def ask(self, screen: Screen[R]) -> R | None:
        self.clear_notifications()  # they would cover what is asked
        answer: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        await self.push_screen(screen, answer.set_result)
        if isinstance(screen, CommandPalette):
            screen.set_focus(screen.query_one(CommandInput))
        self.typed_ahead.shown(screen)
        return await answer

    @contextmanager
    def checking(self, what: str) -> Iterator[None]:
        from screens.view import Topic

        self.view.checking = what
        self.window.redraw(frozenset({Topic.BANNER}))
        try:
            yield
        finally:
            self.view.checking = ""
            self.window.redraw(frozenset({Topic.BANNER}))

    def refuse(self, refusal: Refusal) -> None:
        """Open the dialog of a refusal at once, so that keys which are on their way go to it."""
        from screens.modals.refused import RefusedSheet

        front = self.screen
        if not isinstance(front, RefusedSheet) or front.refusal != refusal:
            self.clear_notifications()
            self.push_screen(RefusedSheet(self.view, refusal, self.typed_ahead))
        self.typed_ahead.rest()

    def _dropped(self, event: Typed) -> None:
        """Say that text was dropped, unless a dialog is in front that swallows it anyway."""
        if self.screen is self.window:
            self.say("Ignored what was typed while the dialog closed", bad=True)

    def waiting_for_engine(self) -> AbstractContextManager[None]:
        return self.typed_ahead.sends()

    # Keys

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste) and self.typed_ahead.keeps(event):
            return
        await super().on_event(event)

    def pop_screen(self) -> AwaitComplete:
        self.typed_ahead.answered(self.screen)
        return super().pop_screen()

    def say(self, text: str, *, bad: bool = False) -> None:
        text = clean_text(text)
        if any(one.message == text for one in self._notifications if not one.has_expired):
            return  # a key that is pressed again covers no more of the screen
        self.notify(
            text,
            markup=False,
            severity="warning" if bad else "information",
            timeout=8 if bad else 4,
        )

    def action_command_palette(self) -> None:
        """Open the palette as a flow: keys that follow wait until its field takes them."""
        if self.use_command_palette and not isinstance(self.screen, CommandPalette):
            self.start(self._ask_palette)

    async def _ask_palette(self) -> None:
        palette = CommandPalette(id="--command-palette")
        await self.ask(palette)
        # What was chosen is called by the app itself: keys wait until it has begun its own flow.
        begun = asyncio.Event()
        self.call_later(begun.set)
        await begun.wait()

    def save_picture(self) -> None:
        """Save what is on screen now as an SVG file, and say where."""
        if not self.saves_files:
            self.say("Nothing is saved on the machine that serves this page", bad=True)
            return
        from screens.picture import save_picture

        def told(result: Path | OSError) -> None:
            failed = isinstance(result, OSError)
            said = f"The picture could not be saved: {result}" if failed else f"Saved in {result}"
            with suppress(RuntimeError):  # the app has ended meanwhile: nobody to tell
                self.call_from_thread(self.say, said, bad=failed)

        save_picture(self.export_screenshot(title=self._shown_title or None), told)

    def show_run(self, run_id: str) -> None:
        self.window.run_pane.show_run(run_id)
        self.window.go_to("run")

    def leave(self, text: str = "") -> None:
        self.farewell = text
        self.exit()

    async def action_quit(self) -> None:
        """Ctrl+Q."""
        self._leave_by_key()

    def action_help_quit(self) -> None:
        """Ctrl+C; in a page it copies."""
        if self.saves_files:
            self._leave_by_key()

    def _leave_by_key(self) -> None:
        """What `q` does, and the second time out."""
        if isinstance(self.screen, Opening):
            self.exit()
        elif self.screen is self.window:
            self.start(self.operator.people.leave)
        elif getattr(self.screen, "sheet_title", "") == LEAVE:
            self.exit()
        else:
            self.say("Esc goes back, then q leaves")

    def action_start_action(self, action_id: str) -> None:
        self.start(lambda: self.operator.running.start_action(action_id))

    def watch_theme(self) -> None:
        """Repaint what was painted in the old theme's colours."""
        if "window" in vars(self):  # it is loaded
            from screens.view import EVERYTHING

            self.window.redraw(EVERYTHING)
