"""The shell texts that ask after a run: how it ended, what it printed; and end it, and tidy up."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from optibid_console.targets.shell_words import ANSWERING, PROCESSES, run_name, runs_place, text

# Whoever makes `begun` decides: the launcher that the command starts, anyone else that it
# never does. So a run that was given up can't start later.
_SETTLE = """
settle() {
  verdict=running status=0
  if [ ! -d "$run" ] || [ -f "$run/sealed" ]; then verdict=never; return; fi
  exited && return
  boot
  { read -r booted <"$run/boot"; } 2>/dev/null || booted=$boot
  if [ "$booted" != "$boot" ]; then verdict=rebooted; return; fi
  alive "$run/wrapper.pid" && return
  alive "$run/command.pid" && return
  exited && return
  if [ ! -f "$run/wrapper.pid" ]; then
    alive "$run/launcher.pid" && return
    seal && { verdict=never; return; }
    sleep 1
    alive "$run/wrapper.pid" && return
    exited && return
  fi
  verdict=gone
}
exited() { { read -r status ended <"$run/exit"; } 2>/dev/null && verdict=exited; }
seal() { mkdir "$run/begun" 2>/dev/null && : >"$run/sealed"; }
size() {
  size=0
  [ -f "$run/out" ] && size=$(($(wc -c <"$run/out")))
}
"""

# Leaving closes the shell's input; the watcher then ends what would go on for ever.
_FOLLOW = """
exec 3<&0
pour=
while [ ! -f "$run/out" ]; do
  settle
  [ "$verdict" = running ] || break
  nap
done
if [ -f "$run/out" ]; then
  tail -c "+$from" -f "$run/out" 2>/dev/null 3<&- &
  pour=$!
fi
( cat <&3; kill $pour $$ ) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
turns=0
while [ ! -f "$run/exit" ]; do
  turns=$((turns + 1))
  if [ $((turns % 10)) = 1 ]; then
    settle
    [ "$verdict" = running ] || break
  fi
  if [ $turns -lt 10 ]; then sleep 0.02 2>/dev/null || sleep 1; else nap; fi
done
size
answer end "$size" >&2
wait $watcher
"""

_CANCEL = """
if [ ! -d "$run" ] || seal; then answer nothing; exit 0; fi
trap : HUP PIPE
settle
[ "$verdict" = running ] || { answer nothing; exit 0; }
: >"$run/cancelled"
tries=0
until { read -r pid born how <"$run/command.pid"; } 2>/dev/null; do
  tries=$((tries + 1))
  [ $tries -lt 20 ] && [ ! -f "$run/exit" ] || { answer nothing; exit 0; }
  nap
done
# All descendants of the command, for a host that has no process groups to give.
kin() {
  kin=" $pid "
  all=$(ps -A -o pid= -o ppid= 2>/dev/null || ps -o pid,ppid)
  grew=yes
  while [ "$grew" ]; do
    grew=
    while read -r one parent; do
      case $kin in
        *" $one "*) ;;
        *" $parent "*) kin="$kin$one " grew=yes ;;
      esac
    done <<LIST
$all
LIST
  done
}
# Where nobody reaps orphans, a group goes on with zombies alone: they don't count.
members() {
  look "$pid" && return
  [ -r /proc/self/stat ] || return 0
  for one in /proc/[0-9]*/stat; do
    { read -r stat <"$one"; } 2>/dev/null || continue
    set -- ${stat##*")" }
    [ "$3" = "$pid" ] && [ "$1" != Z ] && return
  done
  return 1
}
left() {
  if [ "$how" = group ]; then kill -0 "-$pid" 2>/dev/null && members; return; fi
  for one in $kin; do look "$one" && return; done
  return 1
}
send() {
  if [ "$how" = group ]; then kill "-$1" "-$pid"; else kill "-$1" $kin; fi 2>/dev/null
}
[ "$how" = group ] || kin
send TERM
turns=0
while left && [ $turns -lt $patience ]; do turns=$((turns + 1)); nap; done
left && send KILL
turns=0
while [ ! -f "$run/exit" ] && alive "$run/wrapper.pid" && [ $turns -lt 30 ]; do
  turns=$((turns + 1))
  nap
done
answer ended
"""

_CLEAN = """
removed=0
for run in "$runs"/*; do
  [ -d "$run" ] || continue
  case " $keep " in *" ${run##*/} "*) continue ;; esac
  settle
  [ "$verdict" = running ] && continue
  [ "$(find "$run" -prune -mtime "+$days")" ] || continue
  rm -rf "$run" && removed=$((removed + 1))
done
answer removed "$removed"
"""


def ended_text(run_dir: str, run_id: str) -> str:
    """The text that answers `VERDICT STATUS SIZE`.

    `VERDICT` is `running`, `exited`, `gone`, `rebooted` or `never`, `STATUS` the shell's
    exit status (128+n: it died by signal n), `SIZE` the output's size in bytes.
    """
    asked = 'settle\nsize\nanswer "$verdict" "$status" "$size"'
    return text(ANSWERING, PROCESSES, _run(run_dir, run_id), _SETTLE, asked)


def follow_text(run_dir: str, run_id: str, offset: int) -> str:
    """The text that prints the run's output from `offset` (bytes) on.

    When the run has ended it answers `end SIZE` on stderr: all is there once SIZE bytes
    of the output were read. It then waits until its input is closed.
    """
    start = f"from={int(offset) + 1}"
    return text(ANSWERING, PROCESSES, _run(run_dir, run_id), _SETTLE, start, _FOLLOW)


def cancel_text(run_dir: str, run_id: str, grace_s: float) -> str:
    """The text that ends a run: TERM to its whole process group, KILL after `grace_s`.

    It answers `ended`, or `nothing` when there was nothing to end. A run that was claimed
    and hasn't begun never will.
    """
    patience = f"patience={max(int(grace_s * 10), 1)}"
    return text(ANSWERING, PROCESSES, _run(run_dir, run_id), _SETTLE, patience, _CANCEL)


def clean_text(run_dir: str, older_than_days: int, keep: Collection[str]) -> str:
    """The text that removes directories of ended runs, except those in `keep`.

    It answers `removed COUNT`. Running ones always stay.
    """
    values = f"""
runs={runs_place(run_dir)}
days={max(int(older_than_days), 1) - 1}
keep={shlex.quote(" ".join(run_name(one) for one in keep))}
"""
    return text(ANSWERING, PROCESSES, _SETTLE, values, _CLEAN)


def _run(run_dir: str, run_id: str) -> str:
    return f"run={runs_place(run_dir)}/{run_name(run_id)}"
