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
the last four are kept. Each is up to 64 KiB longer than asked, as `dd` reads it. A disk that
is full ends neither the command nor the script: the rest is read and thrown away, and the
exit file says `broken`.
"""

from __future__ import annotations

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


# The signal after one second ends the wait for a pipe that a daemon keeps open. `kept` is
# what the sink has to say at its end, `status` what the command had.
WRAPPER = (
    PROCESSES
    + """
run=$1 mask=$2 apart=$3 head=$5 part=$6 mark=$7 line_end='
'
trap : TERM HUP USR1
umask 077
note $$ "$run/wrapper.pid" wrapper
# Appends to file $1 until it has $2 bytes. 1: that was all; 2: it can't be written.
pour() {
  bytes=0
  while [ "$bytes" -lt "$2" ]; do
    blocks=$((($2 - bytes + 65535) / 65536))
    said=$(LC_ALL=C dd bs=65536 count=$blocks 2>&1 >>"$1") || return 2
    copied=${said##*records out$line_end} whole=${said%%+*} said=${said#*+}
    whole=${whole##*"$line_end"} copied=${copied%% bytes*} # GNU may warn in a line before
    case $whole${said%% *} in
      '' | *[!0-9]*) # no dd as POSIX has it: better no cap than no output
        cat >>"$1" || return 2
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
sink() {
  trap : TERM HUP
  word=whole
  keep
  if [ $? -eq 2 ]; then
    cat >/dev/null
    word=broken last=$run/out
    [ "$at" -gt 0 ] && last=$run/out.$at
    bytes "$last"
  fi
  [ -d "$run" ] && printf '%s\\n' "$((at + bytes)) $word" 1<>"$run/kept"
}
# Pieces of stderr, each within marks and written at once.
tell() {
  until [ "${pieces%% records in*}" = 0+0 ]; do
    pieces=$( {
      { printf '\\016%s\\002' "$mark"; LC_ALL=C dd bs=4000 count=1 2>&3
        printf '\\003%s\\017' "$mark"; } | dd ibs=4096 obs=4096 2>/dev/null >&5
    } 3>&1 )
  done
}
command=
while IFS= read -r line; do command=$command$line$line_end; done <"$run/command"
command=${command%"$line_end"}
inner=$4
# In a shell of its own: what a shell says of a command that was killed is no output. Its
# number stays the command's, and /proc/self tells it without another program.
begin() {
  if [ "$apart" ] && { read -r self stat </proc/self/stat; } 2>/dev/null; then
    note "$self" "$run/command.pid" group
    umask "$mask"
    OPTIBID_RUN=$run/
    export OPTIBID_RUN
    exec $apart /bin/sh -c "$command" </dev/null
  fi
  exec $apart /bin/sh -c "$inner" sh "$run" "$mask" "$apart" "$command" </dev/null
}
printf '%-63s\\n' "" >"$run/kept"
printf '%-63s\\n' "" >"$run/status"
{
  exec 5>&1 >/dev/null 2>&1
  trap : TERM HUP
  if [ "$mark" ]; then
    mkfifo "$run/err"
    tell <"$run/err" &
    ( begin >&5 2>"$run/err" 5>&- )
  else
    ( begin >&5 2>&1 5>&- )
  fi
  printf '%s\\n' "$? ended" 1<>"$run/status"
  exec 5>&-
  ( sleep 1; alive "$run/wrapper.pid" && [ "$pid" = $$ ] && kill -USR1 $$ ) &
} | sink &
sink=$!
wait $sink
until read -r status ended <"$run/status" && [ "$ended" ]; do
  wait $sink || sleep 1
done
{ read -r total word <"$run/kept"; [ "$total" ]; } || {
  total=0 last=$run/out word=whole
  for one in "$run"/out.*; do
    [ -f "$one" ] && [ "${one##*.}" -gt "$total" ] && total=${one##*.} last=$one
  done
  bytes "$last"
  total=$((total + bytes))
}
printf '%-63s\\n' "$status $total $word $status" 1<>"$run/exit"
"""
)
"""Its arguments: run directory, umask, `setsid` or nothing, `INNER`, head and part in bytes,
and the mark of stderr or nothing."""

# The mark in the environment finds what left the process group: a daemon's own session.
INNER = (
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
