"""From the arguments to the command, and from whatever happens to an exit status."""

from __future__ import annotations

import os
import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from optibid_console.cli.options import parse
from optibid_console.printed import log_safely, say, say_text
from optibid_console.program import INTERRUPTED

PIPE_CLOSED = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit status: 0 done, 1 failed, 2 bad input, 3 refused,
    4 unknown. No traceback is ever printed: an unexpected error is one line and a file."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _command(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # what is left in the buffer would raise once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:
        return _failed(error)
    return status


def _command(arguments: list[str]) -> int:
    log_safely()
    options = parse(arguments)
    return _COMMANDS[options.command](options)


def _run(options: Namespace) -> int:
    from optibid_console.cli.windows import run

    return run(options)


def _attach(options: Namespace) -> int:
    from optibid_console.cli.windows import attach

    return attach(options)


def _action(options: Namespace) -> int:
    from optibid_console.cli.action import action

    return action(options)


def _control(options: Namespace) -> int:
    from optibid_console.cli.control import control

    return control(options)


def _share(options: Namespace) -> int:
    from optibid_console.cli.share import share

    return share(options)


def _rehearse(options: Namespace) -> int:
    from optibid_console.cli.rehearse import rehearse

    return rehearse(options)


def _engine(options: Namespace) -> int:
    from optibid_console.cli.engine import engine

    return engine(options)


def _status(options: Namespace) -> int:
    from optibid_console.cli.statuses import status

    return status(options)


def _verify(options: Namespace) -> int:
    from optibid_console.cli.verifying import verify

    return verify(options)


def _journal(options: Namespace) -> int:
    from optibid_console.cli import team_journal

    deliver = options.journal_command == "deliver"
    return team_journal.deliver(options) if deliver else team_journal.init(options)


def _demo(options: Namespace) -> int:
    from optibid_console.demo.story import main as demo

    return demo(options.rest)


def _check(options: Namespace) -> int:
    from optibid_console.cli.checks import check

    return check(options)


def _probe(options: Namespace) -> int:
    from optibid_console.cli.checks import probe

    return probe(options)


def _tell(options: Namespace) -> int:
    from optibid_console.cli.telling import tell

    return tell(options)


def _reload(options: Namespace) -> int:
    from optibid_console.cli.reload import reload

    return reload(options)


def _watch(options: Namespace) -> int:
    from optibid_console.cli.watching import watch

    return watch(options)


_COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "run": _run, "attach": _attach, "engine": _engine, "status": _status, "demo": _demo,
    "check": _check, "probe": _probe, "verify": _verify, "action": _action, "tell": _tell,
    "rehearse": _rehearse,
    "share": _share, "reload": _reload,
    **dict.fromkeys(
        ("hold", "resume", "step", "skip", "waive", "jump", "adopt", "abort", "forward"), _control
    ),
    "watch": _watch,
    "journal": _journal,
}  # fmt: skip


def _failed(error: Exception) -> int:
    """An expected error says itself what to do; of another one the details are kept."""
    from optibid_console.errors import SourceError
    from optibid_console.journal.journal import JournalError
    from optibid_console.runbook.problems import RunbookError

    if isinstance(error, RunbookError):
        for problem in error.problems:
            say(problem, err=True)
        return 2
    if isinstance(error, SourceError | JournalError):
        say_text(f"optibid-console: {error}", err=True)
        return int(getattr(error, "exit_code", 1))
    say(f"optibid-console: {unexpected(error)}", err=True)
    return 1


def unexpected(error: BaseException) -> str:
    """One line about a bug; its traceback goes into a file that the line names."""
    from probes.error_words import bug_words, error_words

    what = bug_words(error)
    try:
        path = _crash_log(error)
    except OSError as problem:
        return f"{what}; its details can't be kept: {error_words(problem)}"
    return f"{what}; the details are in {path}"


def _crash_log(error: BaseException) -> Path:
    from optibid_console.paths import make_private, state_dir

    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime())
    path = state_dir() / "crashes" / f"{stamp}-{os.getpid()}.log"
    make_private(path.parent)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as log:
        log.writelines(traceback.format_exception(error))
    return path
