"""What a screen has of a recording before it draws it."""

from __future__ import annotations

from screens.view import View
from tests.screens import recording as rec
from tests.screens.recorded_source import played


def seen(recorder: rec.Recorder, *, operator: bool = True) -> View:
    view = View("oncall-1", clock=lambda: rec.NOW)
    for event in played(recorder, operator=operator):
        view.take(event)
    return view
