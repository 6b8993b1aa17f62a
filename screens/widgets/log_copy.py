"""Copied log lines as a file: the clipboard of a terminal far away may never get them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Thread

from optibid_console.paths import make_private
from probes.text import counted
from screens.sanitise import clean
from screens.widgets.ring import RingLine

CLIPBOARD_CHARS = 64_000
"""More than this isn't sent: terminals drop, cut or choke on a long OSC 52."""
LINE_CHARS = 1_000_000
"""How much of one line is saved."""


def copied_text(lines: Iterable[RingLine], name_of: Callable[[int], str]) -> str:
    """The lines for a person's paste: each whole, cleaned, led by its tail's name."""
    return "".join(_copied(line, name_of) for line in lines)


def _copied(line: RingLine, name_of: Callable[[int], str]) -> str:
    text = clean(line.raw, LINE_CHARS)
    more = len(line.raw) - len(text.encode())
    cut = f" … {more:,} bytes more" if len(text) >= LINE_CHARS and more > 0 else ""
    lead = "──" if line.notice else f"{name_of(line.tail)} |"
    return f"{lead} {text}{cut}\n"


def copies_directory() -> Path:
    """Where copies are saved (XDG Base Directory Specification: `XDG_STATE_HOME`)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    root = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return root / "optibid-console" / "copies"


def save_copy(
    text: str, directory: Path, now: float, name: str = "log", ending: str = "txt"
) -> Path:
    """Write a new file, readable by its owner alone. Raises `OSError`."""
    make_private(directory)
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(now))
    for number in range(1, 1000):
        again = "" if number == 1 else f"_{number}"
        path = directory / f"{name}_{stamp}{again}.{ending}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        return path
    raise FileExistsError(f"{directory}: a thousand copies within one second")


def save_in_background(
    lines: Sequence[RingLine],
    name_of: Callable[[int], str],
    then: Callable[[Path | OSError], object],
) -> None:
    """Save a copy in a thread of its own; `then` is called there with the path or the error.

    A home directory on a dead NFS server holds up neither the screen nor its end.
    """

    def work() -> None:
        try:
            then(save_copy(copied_text(lines, name_of), copies_directory(), time.time()))
        except OSError as error:
            then(error)

    Thread(target=work, name="save log copy", daemon=True).start()


def told(result: Path | OSError | None, lines: int, sent: bool) -> str:
    """What a person is told about a copy of so many lines, `sent` to the clipboard or not;
    None: files aren't saved here."""
    if isinstance(result, OSError):
        went = "It is only in the clipboard, if your terminal passes that on" if sent else ""
        return f"The copy could not be saved: {result}. {went}".rstrip()
    if sent:
        how = "sent to the clipboard, which your terminal may not pass on"
    else:
        how = "too large for the clipboard"
    if result is None:
        return (
            f"{counted(lines, 'line')}: {how}"
            if sent
            else f"{counted(lines, 'line is', 'lines are')} {how}: filter them first"
        )
    return f"{counted(lines, 'line')}: {how}. Saved in {result}"
