"""The shell texts that ask how a run ended, end it, and tidy up after all of them."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from optibid_console.targets.shell_words import ANSWERING, PROCESSES, run_name, runs_place, text

# Whoever makes `begun` decides: the launcher that the command starts, anyone else that it
# never does. So a run that was given up can't start later.
SETTLE = """
settle() {
  verdict=running status=0 total= word=whole
  exited && return
  if [ ! -d "$run" ] || [ -f "$run/sealed" ]; then
    marked || exited || verdict=never
    return
  fi
  boot
  # An earlier version's run has `boot` and `window` as files of their own.
  { { read -r _; read -r booted; } <"$run/launcher.pid" || read -r booted <"$run/boot"; } \
    2>/dev/null || booted=$boot
  if [ "$booted" != "$boot" ]; then verdict=rebooted; return; fi
  lives && return
  exited && return
  if [ ! -f "$run/wrapper.pid" ]; then
    alive "$run/launcher.pid" && return
    { marked || exited; } && return
    seal && { verdict=never; return; }
    sleep 1
  else
    nap
  fi
  lives && return
  exited && return
  by_parts || verdict=gone
}
lives() { alive "$run/wrapper.pid" || alive "$run/command.pid" || alive "$run/status"; }
exited() {
  { read -r status total word again <"$run/exit"; } 2>/dev/null &&
    [ "$again" ] && [ "$again" = "$status" ] && verdict=exited && return
  status=0 total= word=whole
  return 1
}
# What the parts of a wrapper that was killed have left: the exit status, and, a moment later,
# how much output there is.
by_parts() {
  { read -r status ended rest <"$run/status"; } 2>/dev/null && [ "$ended" = ended ] ||
    { status=0; return 1; }
  verdict=exited
  for try in 1 2 3 4 5 6 7 8 9 10; do
    { read -r total word lost <"$run/kept"; } 2>/dev/null && [ "$total" ] && break
    nap
  done
  [ "$total" ] || word=unkept lost=0
  [ "$word" = whole ] && [ -f "$run/torn" ] && word=killed lost=4000
  [ "$word" = whole ] || word=$word:$lost
}
# Whether a process of the run is there, by its environment: a wrapper's or a command's.
marked() {
  [ -r /proc/self/environ ] &&
    grep -qF -e "OPTIBID_RUN=$run/" -e "OPTIBID_KEEPS=$run/" /proc/[0-9]*/environ 2>/dev/null
}
seal() { first "$run/begun" && : >"$run/sealed"; }
# A launch may still be on its way here: from a suspended engine, or in a link's buffers.
forbid() {
  [ -d "$run" ] || { umask 077; mkdir -p "${run%/*}" && mkdir "$run" && seal; } 2>/dev/null
}
# How many bytes of output there were in all.
total() {
  [ "$total" ] && return
  total=0 last=$run/out
  for one in "$run"/out.*; do
    [ -f "$one" ] && [ "${one##*.}" -gt "$total" ] && total=${one##*.} last=$one
  done
  bytes "$last"
  total=$((total + bytes))
}
"""

_ASKED = """
[ -d "$run" ] || marked || forbid
settle
total
answer "$total" "$verdict" "$status" "$word"
"""

_CANCEL = """
line_end='
'
lost=
# `ended` of what was ended here, also when an earlier asker's answer was lost.
leave() { if [ -f "$run/cancelled" ]; then answer ended; else answer nothing; fi; exit 0; }
if [ ! -d "$run" ] || [ -f "$run/sealed" ] || seal; then
  marked || { answer nothing; exit 0; }
  lost=yes # the directory is, not the run
fi
trap : HUP PIPE
settle
[ "$verdict" = running ] || leave
tries=0
until { read -r pid born how <"$run/command.pid"; } 2>/dev/null; do
  [ "$lost" ] || [ ! -f "$run/wrapper.pid" ] && marked && { pid= born=0 how=marked; break; }
  tries=$((tries + 1))
  [ $tries -lt 20 ] && ! exited || leave
  nap
done 2>/dev/null
# Whether the command has ended by itself, while the wrapper still has to say so.
over() {
  [ "$how" != marked ] && [ ! -f "$run/cancelled" ] || return 1
  { read -r _ ended rest <"$run/status"; } 2>/dev/null && [ "$ended" = ended ] ||
    ! { look "$pid" && [ "$start" = "$born" ]; }
}
# All descendants of the command, for a host that has no process groups to give.
kin() {
  kin=" $pid "
  all=$(ps -A -o pid= -o ppid= 2>/dev/null || ps -o pid,ppid)
  grew=yes
  while [ "$grew" ]; do
    grew=
    set -- $all
    while [ $# -gt 1 ]; do
      case $kin in
        *" $1 "*) ;;
        *" $2 "*) kin="$kin$1 " grew=yes ;;
      esac
      shift 2
    done
  done
}
# Every process's line of proc(5) stat. A shell's own `read` takes a system call for each
# byte, which adds up over hundreds of processes.
all_stats() { all=$(cat /proc/[0-9]*/stat 2>/dev/null); }
# Where nobody reaps orphans, a group goes on with zombies alone: they don't count.
members() {
  look "$pid" && return
  [ -r /proc/self/stat ] || return 0
  all_stats
  set -f
  IFS=$line_end
  set -- $all
  set +f
  unset IFS
  for stat; do
    set -- ${stat##*")" }
    [ "$3" = "$pid" ] && [ "$1" != Z ] && return
  done
  return 1
}
# Processes that the command started and that left its group: their environment names the run.
strays() {
  strays= environs=
  [ -r /proc/self/environ ] || return
  all_stats
  set -f
  IFS=$line_end
  set -- $all
  set +f
  unset IFS
  for stat; do
    set -- ${stat##*")" }
    [ "$1" != Z ] && [ "$3" != "$pid" ] && [ "${20}" -ge "$born" ] || continue
    environs="$environs /proc/${stat%% *}/environ"
  done
  [ "$environs" ] || return
  for one in $(grep -lF "OPTIBID_RUN=$run/" $environs 2>/dev/null); do
    one=${one#/proc/}
    named "/proc/$one" && strays="$strays ${one%%/*}"
  done
}
named() { cat "$@" 2>/dev/null | tr '\\0' '\\n' | grep -qxF "OPTIBID_RUN=$run/"; }
left() {
  for one in $strays; do look "$one" && return; done
  [ "$pid" ] || return
  if [ "$how" = group ]; then kill -0 "-$pid" 2>/dev/null && members; return; fi
  for one in $kin; do look "$one" && return; done
  return 1
}
send() {
  case $how in group) kill "-$1" "-$pid" ;; marked) ;; *) kill "-$1" $kin ;; esac
  for one in $strays; do kill "-$1" "$one"; done
}
case $how in group | marked) ;; *) kin ;; esac
strays
over && leave # looked at last: to find the strays takes a moment
true >"$run/cancelled"
send TERM 2>/dev/null
turns=0
while left && [ $turns -lt $patience ]; do turns=$((turns + 1)); nap; done
strays
left && send KILL 2>/dev/null
turns=0
ends() { exited || ! { lives || { [ "$how" = marked ] && marked; }; }; }
while ! ends && [ $turns -lt 30 ]; do
  turns=$((turns + 1))
  nap
done
answer ended
"""

# A window's runs stay together: while it launches now and then, all of them stay.
_CLEAN = """
removed=0
for run in "$runs"/*; do
  [ -d "$run" ] || continue
  case " $keep " in *" ${run##*/} "*) continue ;; esac
  { { read -r _; read -r _; read -r window; } <"$run/launcher.pid" ||
    read -r window <"$run/window"; } 2>/dev/null || window=any
  case " $open " in *" $window "*) continue ;; esac
  [ "$(find "$run" -prune -mtime "+$days")" ] || continue
  [ "$(find "$runs/.epochs/$window" -name used ! -mtime "+$days" 2>/dev/null)" ] && continue
  settle
  [ "$verdict" = running ] && continue
  rm -rf "$run" && removed=$((removed + 1))
done
answer removed "$removed"
"""


def ended_text(run_dir: str, run_id: str) -> str:
    """The text that answers `SIZE VERDICT STATUS WORD`.

    `VERDICT` is `running`, `exited`, `gone`, `rebooted` or `never`, `STATUS` the shell's
    exit status (128+n: it died by signal n), `SIZE` the output's size in bytes, `WORD`
    `whole`, or why output was lost and how much: `WHY:BYTES`. A run that is answered `never`
    never will be launched: its claim is taken.
    """
    return text(ANSWERING, PROCESSES, run_place(run_dir, run_id), SETTLE, _ASKED)


def cancel_text(run_dir: str, run_id: str, grace_s: float) -> str:
    """The text that ends a run: TERM to its whole process group, KILL after `grace_s`.

    It answers `ended`, also when an earlier text has ended the run, or `nothing` when there was
    nothing to end: its command had ended by itself. A run that was claimed and hasn't begun never
    will.
    """
    patience = f"patience={max(int(grace_s * 10), 1)}"
    return text(ANSWERING, PROCESSES, run_place(run_dir, run_id), SETTLE, patience, _CANCEL)


def clean_text(
    run_dir: str, older_than_days: int, keep: Collection[str], open_windows: Collection[str]
) -> str:
    """The text that removes directories of ended runs of windows that are as old.

    It answers `removed COUNT`. Running ones, those in `keep` and all of a window in
    `open_windows`, or that launched anything within that time, stay.
    """
    values = f"""
runs={runs_place(run_dir)}
days={max(int(older_than_days), 1) - 1}
keep={shlex.quote(" ".join(run_name(one) for one in keep))}
open={shlex.quote(" ".join(run_name(one) for one in open_windows))}
"""
    return text(ANSWERING, PROCESSES, SETTLE, values, _CLEAN)


def run_place(run_dir: str, run_id: str) -> str:
    """The line that says where the run is. Raises `ValueError`."""
    return f"run={runs_place(run_dir)}/{run_name(run_id)}"
