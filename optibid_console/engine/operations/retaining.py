"""How long backup sets stay: by count and age, and never those of a window that is open."""

from __future__ import annotations

import asyncio
import math
import re
import shlex
from collections.abc import Callable, Collection

from optibid_console.journal.journal import JournalError
from optibid_console.runbook.model import DatabaseSpec, Runbook
from optibid_console.targets.target import Target
from probes.error_words import error_words
from probes.probe import HostError
from probes.text import one_line

_DAY_S = 86400.0
_TIMEOUT_S = 30.0
_STAMP = re.compile(r"\d{8}_\d{6}")
_DIGITS = "[0-9]" * 8 + "_" + "[0-9]" * 6

OpenWindows = Callable[[], Collection[str]]
"""The ids of the windows that are open; may read files. Raises `JournalError`."""

# names sort by their stamp, the oldest first
_REMOVE = f"""
LC_ALL=C; export LC_ALL
cd -- "$1" || exit 1
prefix=$2 suffix=$3 keep=$4 days=$5 open=$6
# a window's second one has _2 behind its stamp
ours() {{
  case ${{1#"./$prefix"{_DIGITS}}} in "$suffix" | _[0-9]"$suffix") ;; *) return 1 ;; esac
}}
left=0
for one in "./$prefix"{_DIGITS}*"$suffix"; do ! ours "$one" || left=$((left + 1)); done
for one in "./$prefix"{_DIGITS}*"$suffix"; do
  ours "$one" || continue
  [ "$left" -gt "$keep" ] || break
  stamp=${{one#"./$prefix"}}
  case " $open " in *" ${{stamp%"${{stamp#{_DIGITS}}}"}} "*) continue ;; esac
  [ -f "$one" ] && [ "$(find "$one" -prune -mtime +"$((days - 1))")" ] || continue
  rm -f "$one" || exit 1
  left=$((left - 1))
  echo "${{one#./}}"
done
"""


async def open_stamps(open_windows: OpenWindows, own: str) -> tuple[str, ...]:
    """The stamps that name the sets of the windows that are open; `own`: this window's. Raises
    `JournalError` when a journal here can't be read: its window may be open."""
    windows = await asyncio.to_thread(open_windows)
    stamps = {found[0] for one in windows if (found := _STAMP.match(one))}
    return tuple(sorted({*stamps, own}))


class Retention:
    """Removes what is too old of the files that a backup set's step makes."""

    def __init__(self, runbook: Runbook, open_windows: OpenWindows) -> None:
        # a set's files go no sooner than its dumps
        databases = tuple(runbook.databases.values()) or (DatabaseSpec("", "", ""),)
        self.keep = max(one.keep for one in databases)
        self.keep_days = max(math.ceil(max(one.keep_for for one in databases) / _DAY_S), 1)
        self._open_windows = open_windows

    async def after(self, target: Target, path: str, stamp: str) -> str:
        """Remove the older ones of the file that was just made, where its name has the window's
        stamp; gives what was removed, or why nothing was, in a few words."""
        directory, _, name = path.rpartition("/")
        prefix, there, suffix = name.partition(stamp)
        suffix = re.sub(r"^_[0-9](?=\.)", "", suffix)
        if not stamp or not there:
            return ""
        try:
            kept = await open_stamps(self._open_windows, stamp)
            given = (directory or "/", prefix, suffix, str(self.keep), str(self.keep_days),
                     " ".join(kept))  # fmt: skip
            command = f"set -- {shlex.join(given)}\n{_REMOVE}"
            done = await target.execute(command, timeout_s=_TIMEOUT_S)
        except (HostError, JournalError, OSError, TimeoutError, ValueError) as error:
            return f"older ones stay: {error_words(error)}"
        removed = done.stdout.decode("utf-8", "replace").splitlines()
        said = f"removed {', '.join(removed)}" if removed else ""
        if done.exit_status:
            problem = one_line(done.stderr, 200) or f"exit {done.exit_status}"
            return "; ".join(one for one in (said, f"older ones stay: {problem}") if one)
        return one_line(said, 400)
