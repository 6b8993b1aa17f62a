"""The shell text that launches a run: claimed once, fenced by epoch, detached.

A run is a directory `RUNS/RUN_ID/`. Making it is the claim, because `mkdir` is atomic.

| file | holds |
| --- | --- |
| `command`, `wrapper` | what is run, and the script that runs it |
| `launcher.pid`, `wrapper.pid`, `command.pid` | number, start time, and `group` if it leads one |
| `boot`, `started` | the boot's id, and when it was launched (seconds since the epoch) |
| `begun` | a directory: whoever makes it decides whether the command starts or never does |
| `out` | stdout and stderr in the order in which they were written |
| `exit` | `STATUS SECONDS_SINCE_EPOCH`; it appears in one piece, when all output is in `out` |

The epochs of a window are the directories `RUNS/.epochs/WINDOW/N`. A launch announces its
epoch, claims the run and then looks for a higher one. So either it sees the newer
operator and refuses, or the newer operator, who announced first, sees the claim.

The command runs with SIGINT and SIGQUIT ignored, as every job that a shell puts into the
background (POSIX.1-2017 §2.11).
"""

from __future__ import annotations

import shlex

from optibid_console.targets.shell_words import (
    ANSWERING,
    PROCESSES,
    exports,
    place,
    run_name,
    runs_place,
    text,
)
from optibid_console.targets.target import RunSpec

_LONGEST_COMMAND_BYTES = 120_000
"""Linux takes at most 128 KiB in one argument (execve(2), MAX_ARG_STRLEN)."""

# A pipe and not the file itself: a command that opens /dev/stderr would cut the file off.
# The signal after one second ends the wait for a pipe that a daemon keeps open.
_WRAPPER = (
    PROCESSES
    + """
run=$1 mask=$2 apart=$3
trap : TERM HUP USR1
umask 077
note $$ "$run/wrapper.pid" wrapper
command=$(cat "$run/command")
{ cat >>"$run/out" || cat >/dev/null; } <"$run/pipe" &
sink=$!
$apart /bin/sh -c "$4" sh "$run" "$mask" "$apart" "$command" <"/dev/null" >"$run/pipe" 2>&1
status=$?
( sleep 1; kill -USR1 $$ ) &
patience=$!
wait $sink
kill $patience
printf '%-31s\\n' "$status $(date +%s)" 1<>"$run/exit.reserved"
mv -f "$run/exit.reserved" "$run/exit"
rm -f "$run/pipe"
"""
)

_INNER = (
    PROCESSES
    + """
how=tree
[ "$3" ] && how=group
note $$ "$1/command.pid" $how
umask "$2"
exec /bin/sh -c "$4"
"""
)

_CLAIM = """
refuse() { answer refused "$1"; exit 0; }
unclaim() { rm -rf "$run"; refuse "$1"; }
newest() {
  top=0
  for one in "$fence"/*; do
    number=${one##*/}
    case $number in *[!0-9]*) continue ;; esac
    [ "$number" -gt "$top" ] && top=$number
  done
}
fenced() { newest; [ "$top" -gt "$epoch" ]; }
trap : HUP PIPE
mask=$(umask)
umask 077
problem=$(CDPATH= cd -- "$cwd" 2>&1) || refuse "the command can't start in $cwd: $problem"
problem=$(mkdir -p "$fence" 2>&1) || refuse "no run directory can be made in $runs: $problem"
fenced && refuse "a newer operator (epoch $top) has taken over"
problem=$(mkdir -p "$fence/$epoch" 2>&1) || refuse "cannot write in $fence: $problem"
if ! problem=$(mkdir "$run" 2>&1); then
  [ -d "$run" ] || refuse "cannot make $run: $problem"
  answer attached
  exit 0
fi
problem=$( {
  note $$ "$run/launcher.pid" launcher &&
  boot && printf '%s\\n' "$boot" >"$run/boot" &&
  date +%s >"$run/started" &&
  printf '%s\\n' "$command" >"$run/command" &&
  printf '%s\\n' "$wrapper" >"$run/wrapper" &&
  printf '%-31s\\n' reserved >"$run/exit.reserved" &&
  : >"$run/out" &&
  mkfifo "$run/pipe"
} 2>&1 ) || unclaim "cannot write in $run: $problem"
fenced && unclaim "a newer operator (epoch $top) has taken over"
mkdir "$run/begun" 2>/dev/null || refuse "it was ended before it began"
"""

_START = """
CDPATH= cd -- "$cwd"
apart= detached=
if command -v setsid >/dev/null 2>&1; then
  apart=setsid detached=setsid
elif command -v nohup >/dev/null 2>&1; then
  detached=nohup
fi
$detached /bin/sh "$run/wrapper" "$run" "$mask" "$apart" "$inner" </dev/null >/dev/null 2>&1 &
note $! "$run/wrapper.pid" wrapper
answer started
"""


def launch_text(run_dir: str, spec: RunSpec, cwd: str = "") -> str:
    """The text that claims and starts `spec`, once.

    `run_dir` and `cwd` as in the runbook's target; the spec's own `cwd` goes before.
    It answers `started`, `attached` (the run was there already) or `refused WHY`.
    Raises `ValueError` for a run id, an environment or a command that can't be one.
    """
    if "\0" in spec.command:
        raise ValueError("the command has a NUL byte, which no shell can read")
    if len(spec.command.encode("utf-8", "surrogateescape")) > _LONGEST_COMMAND_BYTES:
        raise ValueError(f"the command is longer than {_LONGEST_COMMAND_BYTES:,} bytes")
    window = run_name(spec.window or "any")
    values = f"""
runs={runs_place(run_dir)}
run=$runs/{run_name(spec.run_id)}
fence=$runs/.epochs/{window}
epoch={int(spec.epoch)}
cwd={place(spec.cwd or cwd)}
command={shlex.quote(spec.command)}
wrapper={shlex.quote(_WRAPPER)}
inner={shlex.quote(_INNER)}
"""
    return text(ANSWERING, PROCESSES, values, _CLAIM, exports(spec.env), _START)
