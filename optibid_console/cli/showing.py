"""The screens on a source, from the first paint to what is said afterwards."""

from __future__ import annotations

import gc
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from optibid_console.cli.told_to_end import told_to_end
from optibid_console.printed import say, say_text

if TYPE_CHECKING:
    from optibid_console.commands import StartSharing
    from optibid_console.runbook.changes import GivenRunbook
    from optibid_console.source import Source
    from optibid_console.state import WindowState

Connect = Callable[[], Awaitable["Source"]]


def closing_words(state: WindowState) -> list[str]:
    """What is said of a window after its screen has gone: how it ended, and its journal's head."""
    from optibid_console.journal_head import head_text
    from optibid_console.kept import kept_lines
    from optibid_console.waiving import left_out_of, waived_lines

    head = head_text(state)
    left = left_out_of(state)
    but = f", {left}" if left else ""
    said = [f"the window is closed: {state.closed.outcome}{but}"] if state.closed else []
    said += [f"! {one}" for one in waived_lines(state)]
    said += [f"kept {one}" for one in kept_lines(state, time.time())]
    return [*said, f"journal head {head}; `verify --head` finds it again"] if head else said


def show(
    connect: Connect,
    title: str,
    options: Namespace,
    given: GivenRunbook | None = None,
    sharing: StartSharing | None = None,
    *,
    saves_files: bool = True,
) -> int:
    """The screens on what `connect` gives; afterwards what is to be said, and the status.

    `sharing`: how the window is shared as soon as this screen drives it. `saves_files`: whether
    copies and pictures may be saved on this machine.
    """
    # Until the first paint nothing is garbage; looking for it takes a tenth of that time.
    gc.disable()
    from screens.app import ConsoleApp

    async def connect_once_painted() -> Source:
        gc.freeze()
        gc.enable()
        return await connect()

    app = ConsoleApp(
        connect_once_painted, title, ascii=options.ascii, theme=options.theme,
        to_drive=not getattr(options, "watch", False), given=given,
        sharing=sharing, saves_files=saves_files,
    )  # fmt: skip
    broke: list[Exception] = []

    def leave(error: Exception) -> None:
        broke.append(error)
        app.panic()

    # Textual's own prints a traceback over the terminal; main() keeps it in a file
    vars(app)["_handle_exception"] = leave
    with told_to_end(lambda status: app.exit(return_code=status)):
        app.run()
    if broke:
        raise broke[0]
    if app.failure:
        say_text(app.failure, err=True)
    elif app.farewell:
        say_text(app.farewell)
    if saves_files:  # in a page nobody reads it, and the output is what the browser draws
        say(*closing_words(app.view.state))
    return app.exit_code or app.return_code or 0
