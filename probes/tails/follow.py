"""The shell text that follows a file, and what its marks mean. Pure.

`tail -F` alone can't say which file its bytes are from, so a lost connection would lose
or repeat lines. This text lets `tail -f` follow one file from a byte on, and once a
second says in marks between the bytes what became of the path: rotated, truncated,
missing. It needs a POSIX shell, `ls`, `tail`, `wc`, and nothing else.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

OVERLAP_BYTES = 64
"""Read again at a resumption, to see that it is the same file: inode numbers are reused."""
MARK = b"\x1e"
_TEXT = """\
set -f; p=%(path)s; m=%(mark)s; want=%(inode)s; off=%(offset)d; n=%(lines)d; t=; LC_ALL=C
say() { printf '\\036%%s %%s\\n' "$m" "$*" || bye; }
bye() { trap - HUP INT PIPE TERM; [ -z "$t" ] || kill "$t" 2>/dev/null; exit 0; }
trap bye HUP INT PIPE TERM
look() { set -- $(ls -dinL -- "$p" 2>/dev/null); i=${1:-}; s=${6:-0}; }
why=
while :; do
  look; now=
  if [ -z "$i" ]; then now=missing
  elif [ -d "$p" ]; then now=directory
  elif [ ! -r "$p" ]; then now=unreadable
  fi
  [ -n "$now" ] || break
  [ "$now" = "$why" ] || { why=$now; say "$why"; }
  sleep 1; k=$((${k:-0} + 1)); [ $((k %% 5)) -ne 0 ] || say alive
done
exec 3<"$p"; look
start=0; how=new
if [ -n "$want" ]; then
  if [ "$i" = "$want" ]; then
    if [ "$off" -lt 0 ]; then
      start=$((s - 1)); how=end; [ "$start" -ge 0 ] || { start=0; how=truncated; }
    elif [ "$s" -ge "$off" ]; then start=$off; how=same; else how=truncated; fi
  else
    how=rotated
    set -- $(ls -dinL -- "$p.1" 2>/dev/null)
    if [ "${1:-}" = "$want" ] && [ "$off" -ge 0 ] && [ -r "$p.1" ]; then
      say open "$want" "$off" rest; tail -c "+$((off + 1))" -- "$p.1"; how=followed
    fi
  fi
elif [ -z "$why" ]; then
  b=$(tail -n "$n" -- "$p" | wc -c); [ "$b" -le 4194304 ] || b=4194304
  start=$((s - b - 1)); how=middle; [ "$start" -ge 0 ] || { start=0; how=new; }
fi
say open "$i" "$start" "$how"
tail -c "+$((start + 1))" -f -- "$p" 2>/dev/null & t=$!
mine=$i; last=$s; old=0; k=0
while kill -0 "$t" 2>/dev/null; do
  sleep 1; look; k=$((k + 1))
  if [ "$i" = "$mine" ]; then
    [ "$s" -ge "$last" ] || say truncated
    last=$s; [ $((k %% 5)) -ne 0 ] || say alive
  else
    c=$(wc -c <&3)  # some look at the size, some read and stand at the end afterwards
    if [ "$c" -ge "$old" ]; then old=$((c)); else old=$((old + c)); fi
    say replaced "$old"
  fi
done
say "tail ended"
"""


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a file was read."""

    inode: str
    offset: int
    before: bytes = b""
    """The last bytes before `offset`, at most `OVERLAP_BYTES`."""
    is_known: bool = True
    """False: the file was truncated under the reader; only its end is a safe place."""


def follow_text(path: str, mark: str, lines: int, position: Position | None) -> str:
    """The shell text that follows `path` from `position`, or else from its last `lines` lines.

    `mark` is a word that no log can know; each mark is a record separator, the word, what
    happened and a newline. `open INODE OFFSET HOW` says from where the next bytes are.
    """
    offset = 0
    if position is not None:
        offset = position.offset - len(position.before) if position.is_known else -1
    return _TEXT % {
        "path": shlex.quote(path),
        "mark": mark,
        "inode": position.inode if position else "''",
        "offset": offset,
        "lines": lines,
    }


@dataclass(frozen=True, slots=True)
class Mark:
    """What the shell text said between the bytes."""

    words: tuple[str, ...]


class MarkSplitter:
    """Takes the marks out of a stream. A mark may come in pieces, and inside a line."""

    _LONGEST = 200

    def __init__(self, mark: str) -> None:
        self._start = MARK + mark.encode() + b" "
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes | Mark]:
        """Bytes and marks, in order."""
        data = self._rest + data
        self._rest = b""
        found: list[bytes | Mark] = []
        at = 0
        while (begin := data.find(self._start, at)) >= 0:
            end = data.find(b"\n", begin, begin + self._LONGEST)
            if end < 0:
                if begin > at:
                    found.append(data[at:begin])
                self._rest = data[begin:]
                return found
            if begin > at:
                found.append(data[at:begin])
            words = data[begin + len(self._start) : end].decode("ascii", "replace").split()
            found.append(Mark(tuple(words)))
            at = end + 1
        keep = self._begun(data, at)
        if keep > at:
            found.append(data[at:keep])
        self._rest = data[keep:]
        return found

    def _begun(self, data: bytes, at: int) -> int:
        """Where the beginning of a mark stands at the end of `data`; its length if nowhere."""
        begin = data.rfind(MARK, max(at, len(data) - len(self._start)))
        if begin >= 0 and self._start.startswith(data[begin:]):
            return begin
        return len(data)
