"""What is asked without a key: once, and only when nothing else is being asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screens.app import ConsoleApp


class Offers:
    """An action that stopped asks how to go on; who came to drive is told that another does."""

    def __init__(self, app: ConsoleApp, to_drive: bool) -> None:
        self._app = app
        self._to_drive = to_drive
        self._stop = ""

    def look(self) -> None:
        """Ask what is new, when there is something and the window's screen is in front."""
        app = self._app
        action = app.view.state.action()
        stop = f"{action.action_run}/{action.stopped_at_step}" if action else ""
        if action is None or not action.stopped_at_step:
            self._stop = ""
        elif stop != self._stop and app.view.drives and app.screen is app.window:
            self._stop = stop
            app.start(app.operator.running.decide)
        self._offer_lease()

    def _offer_lease(self) -> None:
        view = self._app.view
        ready = view.role is not None and view.state.runbook is not None
        if self._to_drive and ready and self._app.screen is self._app.window:
            self._to_drive = False
            if not view.drives and view.holder and not view.ended:
                self._app.start(self._app.operator.people.lease)
