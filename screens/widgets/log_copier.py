"""Copying the lines on screen: to the clipboard at once, to a file meanwhile, and saying how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from textual.message import Message
from textual.widget import Widget

from screens.widgets.log_copy import CLIPBOARD_CHARS, copied_text, save_in_background, told
from screens.widgets.ring import RingLine


class Saved(Message):
    """A copy was saved, or could not be."""

    def __init__(self, result: Path | OSError, lines: int, sent: bool) -> None:
        super().__init__()
        self.result, self.lines, self.sent = result, lines, sent


def copy(
    widget: Widget, lines: Sequence[RingLine], name_of: Callable[[int], str], *, saves: bool = True
) -> None:
    """Copy whole lines; `widget` gets `Saved` once the file is written. `saves`: whether there
    is a file at all."""
    if not lines:
        widget.app.notify("No lines to copy", markup=False)
        return
    sent = sum(len(line.raw) for line in lines) <= CLIPBOARD_CHARS
    if not saves:
        if sent:
            widget.app.copy_to_clipboard(copied_text(lines, name_of))
        widget.app.notify(told(None, len(lines), sent), markup=False)
        return

    def saved(result: Path | OSError) -> None:
        with suppress(RuntimeError):  # the app has ended meanwhile: nobody to tell
            widget.post_message(Saved(result, len(lines), sent))

    if sent:
        widget.app.copy_to_clipboard(copied_text(lines, name_of))
    save_in_background(lines, name_of, saved)


def tell(widget: Widget, event: Saved) -> None:
    """Say where the copy is, or why there is none."""
    failed = isinstance(event.result, OSError)
    said = told(event.result, event.lines, event.sent)
    widget.app.notify(said, severity="error" if failed else "information", markup=False)
