"""What is asked without a key: once, and only when nothing else is being asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optibid_console.commands import StartSharing
    from screens.app import ConsoleApp


class Offers:
    """An action that stopped asks how to go on, a run without a trace what became of it; who
    came to drive is told that another does."""

    def __init__(
        self, app: ConsoleApp, to_drive: bool, sharing: StartSharing | None = None
    ) -> None:
        self._app = app
        self._sharing = sharing
        self._to_drive = to_drive
        self._stop = ""

    def look(self) -> None:
        """Ask what is new, when there is something and the window's screen is in front."""
        app = self._app
        stop, ask = self._question()
        if ask is None:
            self._stop = ""
        elif stop != self._stop and app.view.drives and app.screen is app.window:
            self._stop = stop
            app.start(ask, unasked=True)
        self._offer_lease()
        self._share()

    def _question(self) -> tuple[str, Callable[[], Awaitable[None]] | None]:
        """What waits for the operator: what it is about, and the flow that asks."""
        state, running = self._app.view.state, self._app.operator.running
        unsettled = state.unsettled_runs()
        if unsettled:
            return unsettled[0].run_id, lambda: running.settle(unsettled[0])
        action = state.action()
        if action is None or not action.stopped_at_step:
            return "", None
        return f"{action.action_run}/{action.stopped_at_step}", running.decide

    def _offer_lease(self) -> None:
        view = self._app.view
        ready = view.role is not None and view.state.runbook is not None
        if self._to_drive and ready and self._app.screen is self._app.window:
            self._to_drive = False
            if not view.drives and view.holder and not view.ended:
                self._app.start(self._app.operator.people.lease, unasked=True)

    def _share(self) -> None:
        """What `--serve` asked for, once this screen drives."""
        app, wanted = self._app, self._sharing
        if wanted is not None and app.view.drives and app.screen is app.window:
            self._sharing = None
            app.start(lambda: app.operator.sharing.begin(wanted), unasked=True)
