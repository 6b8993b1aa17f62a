"""The clock on screen is the engine's, also when its pulses come late."""

from __future__ import annotations

from optibid_console.signals import Pulse
from screens.view import EVERYTHING, Topic, View
from tests.screens.recording import NOW


def test_pulses_that_waited_while_the_screen_stood_still_show_the_present_at_once() -> None:
    clock = [NOW]
    view = View(clock=lambda: clock[0])
    view.take(Pulse(NOW, 1.0))
    clock[0] = NOW + 60.0
    assert view.take(Pulse(NOW + 1.0, 1.0)) == EVERYTHING
    assert view.take(Pulse(NOW + 60.0, 1.0)) == EVERYTHING
    assert view.now() == NOW + 60.0


def test_a_pulse_on_time_draws_nothing() -> None:
    view = View(clock=lambda: NOW)
    view.take(Pulse(NOW, 1.0))
    assert Topic.HEADER not in view.take(Pulse(NOW + 0.02, 1.0))
