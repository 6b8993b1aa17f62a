"""Something that a person has to know before going on."""

from __future__ import annotations

from screens.lines import Line, wrapped
from screens.modals.choose import Choose
from screens.view import View


def error_sheet(view: View, title: str, text: str) -> Choose:
    """The text as it is; Esc leaves it."""

    def body(width: int, now: float) -> list[Line]:
        return wrapped(text, width)

    return Choose(view, title, body, tuple, "-danger")
