"""The shell text that launches a run: claimed once, fenced by epoch, detached.

A run is a directory `RUNS/RUN_ID/`. Making it is the claim, because `mkdir` is atomic.

| file | holds |
| --- | --- |
| `wrapper` | the script that runs the command; it begins with the command |
| `launcher.pid`, `wrapper.pid`, `command.pid` | number, start time, and `group` if it leads one |
| `launcher.pid`, lines 2 and 3 | the boot's id; the window's id: its runs are tidied up together |
| `begun` | whoever makes it decides whether the command starts or never does |
| `out`, `out.START` | the output, its head and its last parts (`wrapper.py`) |
| `status` | blank; `PID START inner`: the shell around the command; `STATUS ended` |
| `kept` | blank; then `OUTPUT_BYTES WORD LOST_BYTES`, when there is no more output |
| `torn` | a piece of stderr was lost with the process that had read it |
| `exit` | blank, so that a full disk has room for it; then, when all output is kept,
`STATUS OUTPUT_BYTES WORD STATUS`. `WORD`: `whole`, or `WHY:LOST_BYTES` (`target.py`, `Loss`).
Half of an old and half of a new content don't give the same status twice |

The epochs of a window are the directories `RUNS/.epochs/WINDOW/N`. A launch announces its
epoch, claims the run and then looks for a higher one. So either it sees the newer
operator and refuses, or the newer operator, who announced first, sees the claim.

The command runs with SIGINT and SIGQUIT ignored, as every job that a shell puts into the
background (POSIX.1-2017 §2.11).
"""

from __future__ import annotations

import shlex

from optibid_console.runbook.command_limits import MOST_COMMAND_BYTES
from optibid_console.targets.follower import FOLLOW
from optibid_console.targets.inspector import SETTLE
from optibid_console.targets.shell_words import (
    ANSWERING,
    PROCESSES,
    exports,
    place,
    run_name,
    runs_place,
    text,
)
from optibid_console.targets.streams import mark_of
from optibid_console.targets.target import RunSpec
from optibid_console.targets.wrapper import APART, AS_USUAL, Keeping, wrapper_text

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
claim() {
trap : HUP PIPE USR1
# Linux tells the mask in its status; `umask` needs another process to be read.
word=
{ { read -r _; read -r word mask; } </proc/self/status; } 2>/dev/null
[ "$word" = Umask: ] || mask=$(umask)
umask 077
[ -d "$cwd" ] && [ -x "$cwd" ] || {
  problem=$(CDPATH= cd -- "$cwd" 2>&1) || refuse "the command can't start in $cwd: $problem"
}
[ -d "$fence" ] || problem=$(mkdir -p "$fence" 2>&1) ||
  refuse "no run directory can be made in $runs: $problem"
fenced && refuse "a newer operator (epoch $top) has taken over"
[ -d "$fence/$epoch" ] || problem=$(mkdir -p "$fence/$epoch" 2>&1) ||
  refuse "cannot write in $fence: $problem"
if ! problem=$(mkdir "$run" 2>&1); then
  [ -d "$run" ] || refuse "cannot make $run: $problem"
  answer attached
  return 1
fi
# Without a process of its own, unless it fails and has to be asked why.
written 2>/dev/null || problem=$(written 2>&1) || unclaim "cannot write in $run: $problem"
fenced && unclaim "a newer operator (epoch $top) has taken over"
first "$run/begun" || refuse "it was ended before it began"
true >"$fence/$epoch/used"
}
written() {
  note $$ "$run/launcher.pid" launcher &&
  boot && printf '%s\\n' "$boot" "$window" >>"$run/launcher.pid" &&
  printf '%s\\n' "$wrapper" >"$run/wrapper" &&
  printf '%-63s\\n' "" >"$run/exit" &&
  printf '%-63s\\n' "" >"$run/status" &&
  printf '%-63s\\n' "" >"$run/kept" &&
  true >"$run/out"
}
"""

_START = """
begin() {
apart= detached=
if command -v setsid >/dev/null 2>&1; then
  apart=setsid detached=setsid
elif command -v nohup >/dev/null 2>&1; then
  detached=nohup
fi
(
  CDPATH= cd -- "$cwd"
  export_all
  OPTIBID_KEEPS=$run/
  export OPTIBID_KEEPS
  exec $detached /bin/sh "$run/wrapper" \\
    "$run" "$mask" "$apart" $kept </dev/null >/dev/null 2>&1
) &
child=$!
note $child "$run/wrapper.pid" wrapper
answer started
}
"""

# The new run is a child of this shell: its end is known at once, without asking again. USR1
# ends the wait when the output goes on in another piece, CHLD when `tail` has ended.
_AND_FOLLOW = """
child= from=1 moved=
claim && { trap 'moved=yes' USR1; begin; }
until_ended() {
  while [ "$child" ] && [ ! "$moved" ] && look "$child" && pours; do wait "$child"; done
}
total_there() { :; }
"""


def launch_text(run_dir: str, spec: RunSpec, cwd: str = "", keeping: Keeping = AS_USUAL) -> str:
    """The text that claims and starts `spec`, once.

    `run_dir` and `cwd` as in the runbook's target; the spec's own `cwd` goes before.
    It answers `started`, `attached` (the run was there already) or `refused WHY`.
    Raises `ValueError` for a run id, an environment or a command that can't be one.
    """
    return text(*_launching(run_dir, spec, cwd, keeping), "claim && begin")


def run_text(run_dir: str, spec: RunSpec, cwd: str = "", keeping: Keeping = AS_USUAL) -> str:
    """The text that launches as `launch_text` does and then follows as `follow_text` does.

    Its answer to the launch is a line on stdout; the output begins right after it.
    """
    return text(*_launching(run_dir, spec, cwd, keeping), _AND_FOLLOW, SETTLE, FOLLOW)


def _launching(run_dir: str, spec: RunSpec, cwd: str, keeping: Keeping) -> tuple[str, ...]:
    if "\0" in spec.command:
        raise ValueError("the command has a NUL byte, which no shell can read")
    if len(spec.command.encode("utf-8", "surrogateescape")) > MOST_COMMAND_BYTES:
        raise ValueError(f"the command is longer than {MOST_COMMAND_BYTES:,} bytes")
    mark = mark_of(spec.run_id) if keeping.stderr == APART else ""
    window = run_name(spec.window or "any")
    values = f"""
runs={runs_place(run_dir)}
run=$runs/{run_name(spec.run_id)}
window={window}
fence=$runs/.epochs/$window
epoch={int(spec.epoch)}
cwd={place(spec.cwd or cwd)}
kept="{keeping.head_bytes} {keeping.part_bytes} {mark}"
wrapper={shlex.quote(wrapper_text(spec.command))}
export_all() {{
:
{exports(spec.env)}
}}
"""
    return ANSWERING, PROCESSES, values, _CLAIM, _START
