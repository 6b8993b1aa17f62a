"""The command palette: everything by its name, through the same flows as the keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from optibid_console.adopting import adoptable
from optibid_console.again import earlier_backups
from optibid_console.direction import Direction, direction
from screens.keys import KEYS, PANES, TITLES
from screens.sanitise import clean_text
from screens.themes import THEMES

if TYPE_CHECKING:
    from optibid_console.state import RunState
    from screens.app import ConsoleApp

Found = tuple[str, Callable[[], None]]


class Everything(Provider):
    """Steps, items, actions, probes, criteria, tails, panes, themes and the keys' commands."""

    @property
    def console(self) -> ConsoleApp:
        return cast("ConsoleApp", self.app)

    async def discover(self) -> Hits:
        for text, act in (
            *self._questions(),
            *self._actions(),
            *self._reloading(),
            *self._sharing(),
            *self._commands(),
        ):
            yield DiscoveryHit(Content(text), act, text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for text, act in self._all():
            score = matcher.match(text)
            if score > 0:
                yield Hit(score, matcher.highlight(text), act, text)

    def _all(self) -> Iterator[Found]:
        yield from self._questions()
        yield from self._actions()
        yield from self._reloading()
        yield from self._sharing()
        yield from self._commands()
        yield from self._steps()
        yield from self._observed()
        yield from self._looks()

    def _questions(self) -> Iterator[Found]:
        console = self.console
        for run in console.view.state.unsettled_runs():

            def settle(asked: RunState = run) -> None:
                console.start(lambda: console.operator.running.settle(asked))

            yield self._entry(f"settle {run.step_id}: say what became of it", settle)

        if direction(console.view.state) in (Direction.ROLLED_BACK, Direction.INCOMPLETE):
            yield self._entry(
                "go forward again after the rollback; its name is typed",
                lambda: console.start(lambda: console.operator.running.go_forward()),
            )

        for database in console.view.state.databases:
            for made in earlier_backups(console.view.state, database):

                def choose(name: str = database, path: str = made.recorded.path) -> None:
                    console.start(lambda: console.operator.running.choose_backup(name, path))

                yield self._entry(
                    f"rollback restores another backup of {database}: {made.recorded.path}", choose
                )
        for database in adoptable(console.view.state):
            yield self._entry(
                f"adopt migrations that {database} has: recorded as applied, not run",
                _flow(console, console.operator.running.adopt, database),
            )

    def _actions(self) -> Iterator[Found]:
        console, runbook = self.console, self.console.view.state.runbook
        for action in runbook.actions if runbook else ():
            yield self._entry(
                f"action {action.title}",
                _flow(console, console.operator.running.start_action, action.id),
            )

    def _commands(self) -> Iterator[Found]:
        window = self.console.window
        for key in KEYS:
            if key.action in ("open", "tick", "note", "skip", "jump", "back") or "(" in key.action:
                continue
            yield self._entry(
                f"{key.word or key.id}: {key.help}", getattr(window, f"action_{key.action}")
            )

    def _reloading(self) -> Iterator[Found]:
        console = self.console
        if not console.view.observer:
            yield self._entry(
                "reload the runbook: what it changes, then go by it",
                lambda: console.start(lambda: console.operator.reloading.reload()),
            )

    def _sharing(self) -> Iterator[Found]:
        console = self.console
        if not console.view.observer:
            yield self._entry(
                "share this window: links to watch it with, who watches",
                lambda: console.start(lambda: console.operator.sharing.sheet()),
            )

    def _steps(self) -> Iterator[Found]:
        console, runbook = self.console, self.console.view.state.runbook
        if runbook is None:
            return
        for _, step in runbook.steps():

            def show(step_id: str = step.id) -> None:
                console.window.go_to("timeline")
                console.window.timeline.reveal(step_id)

            yield self._entry(f"step {step.id} {step.title}", show)
            for word, flow in (
                ("run", console.operator.running.run_step),
                ("jump to", console.operator.running.jump),
                *((("waive", console.operator.running.waive),) if step.required else ()),
            ):
                yield self._entry(f"{word} {step.id} {step.title}", _flow(console, flow, step.id))
        for section in runbook.checklist:
            for item in section.items:

                def tick(item_id: str = item.id) -> None:
                    console.window.go_to("checklist")
                    console.window.checklist.reveal(item_id)

                yield self._entry(f"item {item.text}", tick)

    def _observed(self) -> Iterator[Found]:
        console, runbook = self.console, self.console.view.state.runbook
        if runbook is None:
            return
        for probe in runbook.probes.values():
            show = _flow(console, console.operator.details, f"probe:{probe.id}")
            yield self._entry(f"probe {probe.title or probe.id}", show)
        for criterion in runbook.criteria:
            show = _flow(console, console.operator.details, f"criterion:{criterion.id}")
            yield self._entry(f"criterion {criterion.title}", show)
        for tail in runbook.tails:

            def only(tail_id: str = tail) -> None:
                console.window.go_to("logs")
                console.window.logs.filter_by(f"tail:{tail_id}")

            yield self._entry(f"tail {tail}", only)

    def _looks(self) -> Iterator[Found]:
        console = self.console
        for name in PANES:

            def go(pane: str = name) -> None:
                console.window.go_to(pane)

            yield self._entry(f"pane {TITLES[name]}", go)

        def take_picture() -> None:
            console.call_after_refresh(console.save_picture)

        if console.saves_files:
            yield self._entry("picture: save the screen as an SVG file", take_picture)
        for theme in THEMES:

            def use(theme_id: str = theme.name) -> None:
                console.theme = theme_id

            yield self._entry(f"theme {theme.name.removeprefix('optibid-')}", use)

    def _entry(self, text: str, act: Callable[[], None]) -> Found:
        return clean_text(text), act


def _flow(
    console: ConsoleApp, flow: Callable[[str], Awaitable[None]], name: str
) -> Callable[[], None]:
    def act() -> None:
        console.start(lambda: flow(name))

    return act
