"""What every POSIX shell text is made of: quoting, places and the functions that they share.

The texts need a POSIX shell and its utilities alone: they run under dash, bash and
busybox ash. They are sent on the shell's standard input, never in an argument list.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

ANSWER = "optibid-console: "
"""Begins the line with which a text answers."""

_RUN_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEFAULT_RUNS = "~/.local/state/optibid-console/runs"


def run_name(run_id: str) -> str:
    """The run id when it can be a directory's name. Raises `ValueError` when it can't."""
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(
            f"run id {run_id[:80]!r} can't name a directory: "
            "it needs 1 to 200 letters, digits, dots, underscores or hyphens, no dot first"
        )
    return run_id


def place(path: str) -> str:
    """The shell word for a directory on the target; `~` and relative paths are from home.

    `.` is where the shell starts: in a container the image's working directory.
    """
    if path == ".":
        return '"$PWD"'
    if path.startswith("/"):
        return shlex.quote(path)
    if path in ("", "~"):
        return '"$HOME"'
    return f'"$HOME"/{shlex.quote(path.removeprefix("~/"))}'


def runs_place(run_dir: str) -> str:
    """The shell word for the directory of all runs; empty: the usual one."""
    return place(run_dir or _DEFAULT_RUNS)


def exports(env: Mapping[str, str]) -> str:
    """Lines that export `env`. Raises `ValueError` for a name or value that can't be one."""
    lines = []
    for name, value in env.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:80]!r} can't name an environment variable")
        if "\0" in value:
            raise ValueError(f"the value of {name} has a NUL byte, which no environment can hold")
        lines.append(f"export {name}={shlex.quote(value)}")
    return "\n".join(lines)


def text(*parts: str) -> str:
    """One text from its parts, read as a whole by the shell before any of it runs."""
    return "{\n" + "\n".join(part.strip("\n") for part in parts if part) + "\nexit 0\n}\n"


def answer_in(output: bytes) -> str:
    """What a text answered, or an empty string when it gave no answer."""
    _, found, after = output.decode("utf-8", "replace").partition(ANSWER)
    return after.strip() if found else ""


ANSWERING = f"""
answer() {{ printf '{ANSWER}%s\\n' "$*"; }}
nap() {{ sleep 0.1 2>/dev/null || sleep 1; }}
# Makes file $1 if it isn't there (O_EXCL): true for one caller alone.
first() {{
  set -C
  {{ true >"$1"; }} 2>/dev/null
  first=$?
  set +C
  return $first
}}
"""

PROCESSES = """
# Sets $boot to what changes when the machine, or the container, starts again.
boot() {
  { read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null ||
    boot=$(sysctl -n kern.boottime 2>/dev/null) || boot=unknown
  look 1 && boot=$boot/$start
}
# Sets $start to when process $1 started; false when it is gone or a zombie.
look() {
  start=
  if [ -r /proc/self/stat ]; then
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${stat##*")" }
    case $1 in Z|X) return 1 ;; esac
    start=${20}
  else
    start=$(ps -o lstart= -p "$1" 2>/dev/null | tr -d ' ')
    [ "$start" ]
  fi
}
# Sets $self and $start to this shell's number and start, a subshell's own too; false without /proc.
# A shell reads byte by byte, so what one reading tells isn't read twice.
self() {
  { read -r stat </proc/self/stat; } 2>/dev/null || return 1
  self=${stat%% *}
  set -- ${stat##*")" }
  start=${20}
}
# Writes process $1, its start and word $3 to file $2. Whoever finds it empty looks again.
note() {
  look "$1"
  printf '%s %s %s\\n' "$1" "${start:-gone}" "$3" >"$2"
}
# Sets $bytes to the size of file $1; 0 when it is gone.
bytes() {
  bytes=$(wc -c 2>/dev/null <"$1")
  bytes=$((${bytes:-0}))
}
# Whether the process that file $1 names is still there, and not another with its number.
alive() {
  { read -r pid born how <"$1"; } 2>/dev/null || return 1
  [ "$born" ] && look "$pid" && [ "$start" = "$born" ]
}
"""
"""Processes by number and start time, so that a number that is used again is not mistaken."""
