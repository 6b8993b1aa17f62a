"""A picture of the screen as a file: for a report, a chat, the documentation."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from screens.widgets.log_copy import copies_directory, save_copy

_WEB_FONT = re.compile(r"(?<!\s)\s*+@font-face\s*+\{[^}]*\}")


def at_home(svg: str) -> str:
    """The picture without the web fonts that Textual names: opening it asks nobody."""
    return _WEB_FONT.sub("", svg).replace(": Fira Code,", ": Fira Code, DejaVu Sans Mono,")


def save_picture(svg: str, then: Callable[[Path | OSError], object]) -> None:
    """Save it in a thread of its own; `then` is called there with the path or the error."""

    def work() -> None:
        try:
            then(save_copy(at_home(svg), copies_directory(), time.time(), "screen", "svg"))
        except OSError as error:
            then(error)

    Thread(target=work, name="save picture", daemon=True).start()
