"""The shell text that runs a short command or a tail, and ends it when nobody listens."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from optibid_console.targets.shell_words import exports, place, text

# The shell's input stays open while somebody listens. When it closes, the command is
# ended: an SSH server doesn't do that for a command without a terminal.
_WATCHED = """
exec 3<&0
apart=
if command -v setsid >/dev/null 2>&1; then apart=setsid; fi
$apart /bin/sh -c "$command" </dev/null 3<&- &
child=$!
(
  cat <&3
  kill -TERM "-$child" || kill -TERM "$child"
  sleep 1
  kill -KILL "-$child" || kill -KILL "$child"
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait $child
status=$?
kill $watcher
exit $status
"""

_PLACE = """
CDPATH= cd -- "$cwd" || exit 126
"""


def watched_text(command: str, env: Mapping[str, str], cwd: str = "") -> str:
    """The text that runs `command` through `/bin/sh -c` in `cwd`, with `env` exported.

    It exits as the command does (126: `cwd` can't be entered). When its input is closed,
    the command's process group gets TERM, and KILL a second later.
    Raises `ValueError` for a command or an environment that can't be one.
    """
    if "\0" in command:
        raise ValueError("the command has a NUL byte, which no shell can read")
    values = f"command={shlex.quote(command)}\ncwd={place(cwd)}"
    return text(values, _PLACE, exports(env), _WATCHED)
