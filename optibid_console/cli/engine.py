"""`engine`: the window's engine in this process, until it ends or is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from argparse import Namespace
from pathlib import Path
from types import FrameType

from optibid_console.cli.chosen_journal import chosen_journal
from optibid_console.cli.main import unexpected
from optibid_console.cli.person import name_of
from optibid_console.cli.sharing import BadServe, wanted_sharing
from optibid_console.engine.serve import Asked, CannotServe, serve
from optibid_console.engine_record import EngineRuns, claimed, record_for
from optibid_console.journal.journal import JournalError
from optibid_console.journal.passwords import take_password
from optibid_console.journal_place import Address
from optibid_console.runbook.load import RunbookError, load
from optibid_console.source import SourceError

_ENDED_BY_SIGNAL = 128 + signal.SIGTERM


class _Starter:
    """Who started this engine and waits: told once that it is ready, or why it isn't."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        if fd >= 0:
            os.set_inheritable(fd, False)

    def ready(self) -> None:
        self._tell("ready\n")

    def failed(self, exit_code: int, message: str) -> None:
        self._tell(f"error {exit_code}\n{message}\n")

    def _tell(self, text: str) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            os.write(fd, text.encode())
        except BrokenPipeError:
            return  # it doesn't wait any more
        finally:
            os.close(fd)


def engine(options: Namespace) -> int:
    """Run the engine; says on stderr, and to who waits for it, why it doesn't."""
    starter = _Starter(options.ready_fd)
    signal.signal(signal.SIGTERM, _end)  # until the engine has its own way to end
    try:
        return _engine(options, starter)
    except RunbookError as error:
        code, message = 2, "\n".join(str(one) for one in error.problems)
    except CannotServe as error:
        code, message = error.exit_code, str(error)
    except EngineRuns as error:
        code, message = 3, str(error)
    except JournalError as error:
        code, message = error.exit_code, str(error)
    except BadServe as error:
        code, message = error.exit_code, str(error)
    except SourceError as error:
        code, message = 1, str(error)
    except Exception as error:
        code, message = 1, unexpected(error)
    starter.failed(code, message)
    print(message, file=sys.stderr)
    return code


def _engine(options: Namespace, starter: _Starter) -> int:
    loaded = load(options.config, os.environ)
    journal = chosen_journal(options, loaded)
    if isinstance(journal, Address):
        loaded.secrets.also(take_password(), os.environ.get("PGPASSWORD", ""))
    record = record_for(
        journal, loaded.runbook.window.name, options.config, rehearsal=options.rehearse
    )
    asked = Asked(
        name_of(options), options.t0 or "", options.take_over, options.of, options.accept_runbook,
        options.rehearse, wanted_sharing(options),
    )  # fmt: skip
    with claimed(record, take_over=bool(options.take_over)) as claim:
        socket = Path(record.socket)
        return asyncio.run(serve(loaded, journal, socket, asked, starter.ready, claim))


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(_ENDED_BY_SIGNAL)
