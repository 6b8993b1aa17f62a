"""The journal that a command's options mean."""

from __future__ import annotations

from argparse import Namespace

from optibid_console.engine_process import the_journal
from optibid_console.journal_place import Place
from optibid_console.runbook.load import Loaded


def chosen_journal(options: Namespace, loaded: Loaded) -> Place:
    """`--journal`, or this config's own: of its rehearsal with `options.rehearse`.

    Raises `JournalError`.
    """
    return the_journal(
        options.journal, options.config, loaded.runbook.window.name, loaded.digest,
        rehearsal=options.rehearse,
    )  # fmt: skip
