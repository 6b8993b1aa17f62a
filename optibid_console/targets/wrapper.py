"""The scripts that stay with a run on its target: one keeps its output and its exit status.

The output is one stream of bytes with one numbering from 0, in the order in which the
kernel got it: stdout and stderr are the same pipe (`TOGETHER`). Nothing that POSIX
offers gives the order of writes to two pipes, so telling them apart (`APART`) costs order:
stderr then goes through a second pipe, and each piece of it (at most 4000 bytes, as it
was read) is written into the first one within marks that name the run (`streams.py`), by
one write of at most 4096 bytes, which POSIX keeps whole (`PIPE_BUF`). stdout stays byte for
byte and takes no detour. A piece of stderr arrives late by what its detour takes,
and a writer that uses both within that time is seen in another order.

A pipe and not the file itself, because a command that opens /dev/stderr would cut the file
off, and because the file is capped. What comes first is kept in `out`, up to half of the cap;
what comes after in parts `out.START` (`START`: the number of its first byte) of which
the last four are kept. Each is up to 64 KiB longer than asked, as `dd` reads it. Output that
can't be written ends neither the command nor the script: it is read, counted and thrown away,
and the exit file says why (`target.py`, `Loss`) and how much.

None of the processes is needed for the end of the others. The exit status comes from the shell
around the command (`status`), the amount of output from the sink (`kept`), and the wrapper
joins them in `exit`; where the wrapper was killed, `inspector.py` reads the two. A run directory
that was removed is made again for `exit`, so that its end is known and its claim stands. The
wrapper's processes have `OPTIBID_KEEPS` in their environment, the command's `OPTIBID_RUN`: by
those they are found when the directory with their numbers is gone.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from optibid_console.targets.shell_words import PROCESSES

TOGETHER = "together"
APART = "apart"
_PARTS_KEPT = 4
_LEAST_CAP = 1 << 20


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much of a run's output is kept, and whether stderr is told apart."""

    cap_bytes: int = 64_000_000
    """On the target's disk, for each run: at least 1 MiB."""
    stderr: str = TOGETHER

    @property
    def head_bytes(self) -> int:
        return max(self.cap_bytes, _LEAST_CAP) // 2

    @property
    def part_bytes(self) -> int:
        return self.head_bytes // _PARTS_KEPT


AS_USUAL = Keeping()


# The signal after one second ends the wait for a pipe that a daemon keeps open. Descriptors 7,
# 8 and 9 keep `status`, `kept` and `exit` within reach while their paths aren't.
_WRAPPER = (
    PROCESSES
    + """
run=$1 mask=$2 apart=$3 head=$4 part=$5 mark=$6 line_end='
'
trap : TERM HUP USR1
umask 077
# As the launcher notes it. To truncate what is there would make ext4 write it to the disk at once.
look $$
since=$start
printf '%s\\n' "$$ $start wrapper" 1<>"$run/wrapper.pid"
# Sets $place to file $1 of the run, or to descriptor $2 when that can't be written.
place() {
  place=$run/$1
  [ -w "$place" ] || place=/proc/self/fd/$2
}
# Appends to file $1 until it has $2 bytes. 1: that was all; 2: it can't be written.
pour() {
  bytes=0
  while [ "$bytes" -lt "$2" ]; do
    blocks=$((($2 - bytes + 65535) / 65536))
    said=$(LC_ALL=C dd bs=65536 count=$blocks 2>&1 >>"$1")
    code=$?
    if [ $code -gt 128 ]; then # killed, with what it had read and not written
      word=killed lost=$((lost + 65536))
      bytes "$1"
      continue
    fi
    case $code in 0 | 126 | 127) ;; *) return 2 ;; esac
    copied=${said##*records out$line_end} whole=${said%%+*} said=${said#*+}
    whole=${whole##*"$line_end"} copied=${copied%% bytes*} # GNU may warn in a line before
    case $whole${said%% *} in
      '' | *[!0-9]*) # no dd as POSIX has it: better no cap than no output
        said=$(cat 2>&1 >>"$1") || return 2
        bytes "$1"
        return 1 ;;
    esac
    case $copied in
      '' | *[!0-9]*) bytes "$1" ;; # POSIX doesn't ask dd for this number
      *) bytes=$((bytes + copied)) ;;
    esac
    [ $((whole + ${said%% *})) -eq $blocks ] || return 1
  done
}
keep() {
  at=0
  pour "$run/out" "$head" || return
  alive "$run/launcher.pid" && kill -USR1 "$pid"
  at=$bytes parts=
  while :; do
    pour "$run/out.$at" "$part" || return
    set -- $parts "$at"
    at=$((at + bytes))
    if [ $# -ge 4 ]; then
      rm -f "$run/out.$1"
      shift
    fi
    parts=$*
  done
}
# Sets $word to why output can't be written; $said is what the writer said.
why() {
  said=$said$( { printf x >"$run/tried"; } 2>&1; rm -f "$run/tried" 2>&1)
  case $said in
    *[Nn]'o space'* | *uota*) word=full ;;
    *denied* | *ead-only* | *'not permitted'*) word=unwritable ;;
    *) word=failed ;;
  esac
}
sink() {
  trap : TERM HUP
  word=whole lost=0
  keep
  kept=$? last=$run/out
  [ "$at" -gt 0 ] && last=$run/out.$at
  if [ $kept -eq 2 ]; then
    [ -d "$run" ] && why
    bytes "$last"
    lost=$((lost + $(wc -c)))
  fi
  if [ ! -f "$run/out" ] || { [ "$bytes" -gt 0 ] && [ ! -s "$last" ]; }; then
    [ $((at + bytes + lost)) -eq 0 ] || word=gone
    lost=$((at + bytes + lost)) at=0 bytes=0
  fi
  place kept 8
  printf '%s\\n' "$((at + bytes)) $word $lost" 1<>"$place"
}
# Goes on reading when the sink is killed, so that the command isn't ended by SIGPIPE.
guard() {
  trap : TERM HUP
  ( sink )
  [ $? -gt 128 ] || return
  lost=$(wc -c)
  total_kept
  place kept 8
  printf '%s\\n' "$total unkept $((lost))" 1<>"$place"
}
# Sets $total to how much output is in files.
total_kept() {
  total=0 last=$run/out
  for one in "$run"/out.*; do
    [ -f "$one" ] && [ "${one##*.}" -gt "$total" ] && total=${one##*.} last=$one
  done
  bytes "$last"
  total=$((total + bytes))
}
# Pieces of stderr, each within marks and written at once. A killed dd takes its piece along.
tell() {
  until [ "${pieces%% records in*}" = 0+0 ]; do
    pieces=$( {
      { printf '\\016%s\\002' "$mark"; LC_ALL=C dd bs=4000 count=1 2>&3
        printf '\\003%s\\017' "$mark"; } | dd ibs=4096 obs=4096 2>/dev/null >&5 ||
        true >"$run/torn"
    } 3>&1 )
    case $pieces in *'records in'*) ;; *) true >"$run/torn" ;; esac
  done
}
# In a shell of its own: what a shell says of a command that was killed is no output. Its
# number stays the command's, and /proc/self tells it without another program.
begin() {
  unset OPTIBID_KEEPS
  if [ "$apart" ] && self; then
    printf '%s\\n' "$self $start group" >"$run/command.pid"
    umask "$mask"
    OPTIBID_RUN=$run/
    export OPTIBID_RUN
    exec $apart /bin/sh -c "$command" </dev/null
  fi
  exec $apart /bin/sh -c "$inner" sh "$run" "$mask" "$apart" "$command" </dev/null
}
exec 7<>"$run/status" 8<>"$run/kept" 9<>"$run/exit"
{
  exec 5>&1 >/dev/null 2>&1
  trap : TERM HUP
  self && printf '%s\\n' "$self $start inner" 1<>"$run/status"
  if [ "$mark" ]; then
    mkfifo "$run/err"
    { until ( pieces=; tell ); do true >"$run/torn"; done; } <"$run/err" &
    ( begin >&5 2>"$run/err" 5>&- 7>&- 8>&- 9>&- )
  else
    ( begin >&5 2>&1 5>&- 7>&- 8>&- 9>&- )
  fi
  code=$?
  place status 7
  printf '%s\\n' "$code ended" 1<>"$place"
  exec 5>&-
  ( sleep 1; look $$ && [ "$start" = "$since" ] && kill -USR1 $$ ) &
} | guard &
sink=$!
look $sink
sinks=$start
# Whether the command has ended; then $status is its exit status.
ended() {
  place status 7
  { read -r status ended rest <"$place"; } 2>/dev/null && [ "$ended" = ended ]
}
wait $sink
turns=0
until ended; do
  turns=$((turns + 1))
  if alive "$place" || { [ ! "$ended" ] && [ $turns -lt 5 ]; }; then
    wait $sink || sleep 1
  elif [ ! -r /proc/self/stat ] && [ -d "$run" ]; then
    wait $sink || sleep 1
  else
    ended && break
    # The shell around the command is gone, and the exit status with it.
    while alive "$run/command.pid"; do sleep 1; done
    exit 1
  fi
done
kept() {
  place kept 8
  { read -r total word lost <"$place"; } 2>/dev/null && [ "$total" ]
}
look $sink && [ "$start" = "$sinks" ]
keeps=$?
if ! kept; then
  total_kept
  word=whole lost=0
  if [ $keeps -ne 0 ]; then # nobody is left to say it; or the sink, without its guard
    before=-1
    until kept || [ $total -eq "$before" ]; do
      before=$total
      sleep 1
      total_kept
    done
    kept || { word=unkept lost=0; total_kept; }
  fi
fi
[ $word = whole ] && [ -f "$run/torn" ] && word=killed lost=4000
[ $word = whole ] || word=$word:$lost
[ -d "$run" ] || mkdir -p "$run" 2>/dev/null
place=$run/exit
[ ! -e "$place" ] || [ -w "$place" ] || place=/proc/self/fd/9
printf '%-63s\\n' "$status $total $word $status" 1<>"$place"
"""
)
"""Its arguments: run directory, umask, `setsid` or nothing, head and part in bytes, and the
mark of stderr or nothing."""

# The mark in the environment finds what left the process group: a daemon's own session.
_INNER = (
    PROCESSES
    + """
how=tree
[ "$3" ] && how=group
note $$ "$1/command.pid" $how
umask "$2"
OPTIBID_RUN=$1/
export OPTIBID_RUN
exec /bin/sh -c "$4"
"""
)


def wrapper_text(command: str) -> str:
    """Returns the script that runs `command`.

    The command stands in the script itself: a shell reads a file of its own byte by byte, and in
    the script's arguments the command would be found by a `pkill -f` that it runs.
    """
    return f"command={shlex.quote(command)}\ninner={shlex.quote(_INNER)}\n{_WRAPPER}"
