"""The shell text that prints a run's output from a byte on, while it grows, until it ends."""

from __future__ import annotations

from optibid_console.targets.inspector import SETTLE, run_place
from optibid_console.targets.shell_words import ANSWERING, PROCESSES, text

# Whole pieces are printed as they are; the one that still grows is followed. When that one is
# whole as well, the asker is told where to go on, and asks again: `tail` can't change files.
# Leaving closes the shell's input; the watcher then ends what would go on for ever.
FOLLOW = """
# Finds the piece with byte $at: $file, which begins at $base. $next: where the one after begins.
locate() {
  base=0 file=$run/out next=
  for one in "$run"/out.*; do
    [ -f "$one" ] || continue
    first=${one##*.}
    if [ "$first" -le "$at" ]; then
      [ "$first" -gt "$base" ] && base=$first file=$one
    elif [ ! "$next" ] || [ "$first" -lt "$next" ]; then
      next=$first
    fi
  done
}
follow() {
exec 3<&0
pour= at=$((from - 1)) piece= broke= finished=
while [ ! -f "$run/out" ]; do
  settle
  [ "$verdict" = running ] || break
  if [ -d "$run" ]; then nap; else sleep 1; fi
done
while locate; [ "$next" ]; do
  bytes "$file"
  end=$((base + bytes))
  if [ "$at" -lt "$end" ]; then
    tail -c "+$((at - base + 1))" "$file" || { broke=yes; break; }
    at=$end
  else
    piece="$at $next"
    break
  fi
done 2>/dev/null
trap : CHLD
if [ ! "$piece$broke" ] && [ -f "$file" ]; then
  tail -c "+$((at - base + 1))" -f "$file" 2>/dev/null 3<&- &
  pour=$!
fi
( while read -r _ <&3; do :; done; kill $pour $$ ) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
[ "$broke" ] || until_ended
turns=0
until [ "$piece$broke" ] || exited; do
  turns=$((turns + 1))
  if [ $((turns % 10)) = 1 ]; then
    settle
    [ "$verdict" = running ] || break
  fi
  locate
  if [ "$next" ]; then
    bytes "$file"
    piece="$((base + bytes)) $next"
    break
  fi
  if [ "$pour" ]; then pours || break; elif [ -f "$file" ]; then break; fi
  if [ $turns -lt 10 ]; then sleep 0.02 2>/dev/null || sleep 1; else nap; fi
done
settle
if [ "$piece" ]; then
  answer piece $piece >&2
elif [ "$verdict" = running ]; then
  answer again >&2
else
  total
  locate
  if [ "$next" ]; then
    bytes "$file"
    answer piece $((base + bytes)) $next >&2
  else
    total_there
    answer end "$total" "$verdict" "$status" "$word" >&2
    [ "$total" -gt "$at" ] || finished=yes # nothing is left that `tail` has to print
  fi
fi
[ "$finished" ] && kill $watcher 2>/dev/null
while [ ! "$finished" ] && look $watcher && pours; do wait $watcher; done
kill $pour 2>/dev/null
}
pours() { [ ! "$pour" ] || look "$pour"; }
follow
"""


_NO_CHILD = """
until_ended() { :; }
# Bounds $total by what is there.
total_there() {
  bytes "$file"
  [ "$total" -le $((base + bytes)) ] || total=$((base + bytes))
}
"""


def follow_text(run_dir: str, run_id: str, offset: int) -> str:
    """The text that prints the run's output from `offset` (bytes) on.

    On stderr it answers `piece END NEXT` when the asker has to ask again from `NEXT` on once
    it has read up to `END` (what is between them was left out), `again` when the asker has to ask
    again from where it is, because `tail` has ended, and when the run has ended
    `end SIZE VERDICT STATUS WORD`, as `ended_text` does: all is there once `SIZE` bytes of the
    output were read. `SIZE` is no more than the file holds. It then waits until its input is
    closed, unless `SIZE` was printed before it began to follow.
    """
    start = f"from={int(offset) + 1}\n{_NO_CHILD}"
    return text(ANSWERING, PROCESSES, run_place(run_dir, run_id), SETTLE, start, FOLLOW)
