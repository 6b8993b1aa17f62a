"""The command of a step of `kind = "backup"`: dumped, verified, only then named a backup."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from optibid_console.runbook.backup_shell import (
    ENDING,
    RETAINING,
    SAYING,
    SESSION,
    VERIFYING,
    WATCHING,
)
from optibid_console.runbook.backup_trial import TRIAL
from optibid_console.runbook.durations import parse_duration
from optibid_console.runbook.model import DatabaseSpec
from optibid_console.runbook.operations import REPORTING, TEXTS, Table, summarised, word
from probes.text import counted

_DAY_S = 86400.0

_PREPARE = r"""
begun=$(date +%s)
suffix=dump
[ "$format" = directory ] && suffix=dir
mkdir -p "$backups" && backups=$(CDPATH= cd -- "$backups" && pwd) ||
  fail "no backups can be kept in $backups"
work=$(mktemp -d "${OPTIBID_RUN:-${TMPDIR:-/tmp}/}backup.XXXXXX") ||
  fail "no temporary directory can be made beside the run"
for one in pg_dump pg_restore psql; do
  command -v "$bin$one" >/dev/null ||
    fail "there is no ${bin:+$bin}$one on this host: install PostgreSQL's client, or set its bin"
done
file=$backups/"$id"_$stamp.$suffix
again=1
while [ -e "$file" ]; do
  again=$((again + 1))
  file=$backups/"$id"_"$stamp"_$again.$suffix
done
sweep
open_session
dumper=$("$bin"pg_dump --version | sed 's/.*) \([0-9][0-9.]*\).*/\1/')
[ "${dumper%%.*}" -ge "$((number / 10000))" ] ||
  fail "pg_dump $dumper can't back up PostgreSQL $version: install the client of version \
$((number / 10000)), or set its bin"
estimate
free=$(df -Pk "$backups" | awk 'NR == 2 { for (i = 1; i <= NF; i++)
  if ($i ~ /^[0-9]+%$/) { printf "%.0f", $(i - 1) * 1024; exit } }')
[ "$free" -ge "$needed" ] ||
  fail "$(megabytes "$free") are free in $backups, $(megabytes "$needed") are needed ($basis): \
free some, or set backups to another directory"
"""

_DUMP = r"""
began=$(date +%s)
if [ "$trial" ]; then
  printf '%s\n' "\\o '$work/dumped'" "$fingerprint" >&4
fi
part=$file.part
tell part "$part"
: >"$work/log"
"$bin"pg_dump --format="$format" --jobs="$jobs" --verbose --no-password \
  --snapshot="$snapshot" --file="$part" >/dev/null 2>"$work/log" 4>&- 5<&- &
dump=$!
follow_dump 4>&- 5<&- &
watcher=$!
wait "$dump"
status=$?
dump=
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
watcher=
[ "$status" -le 128 ] || fail "pg_dump was killed by signal $((status - 128))"
sed -n -e 's/^pg_dump[^:]*: \(error: \)/\1/p' -e 's/^pg_dump[^:]*: \(fatal: \)/\1/p' \
  -e 's/^pg_dump[^:]*: \(detail: \)/\1/p' -e 's/^pg_dump[^:]*: \(warning: \)/\1/p' \
  "$work/log" >"$work/said"
[ "$status" -eq 0 ] || fail "pg_dump failed: $(said)"
[ ! -s "$work/said" ] || say "pg_dump: $(said)"
size=$(bytes_of "$part")
dump_s=$(($(date +%s) - began))
say "dumped $(counted "$size" byte) in $dump_s s; reading them back"
verify
[ -z "$trial" ] || try_restore
kill "$session" 2>/dev/null
wait "$session" 2>/dev/null
session=
cp "$work/sums" "$file.sha256" && mv "$part" "$file" || fail "it can't get its name, $file"
part=
settle "$file.sha256" "$backups"
retain
tell_artifact() {
  report "{\"artifact\": {\"name\": \"$(json "$id")\", \"path\": \"$(json "$file")\", \
\"size_bytes\": $size, \"sha256\": \"$sha256\", \"checks\": [$checks], \"details\": {\
\"server_version\": \"$(json "$version")\", \"pg_dump_version\": \"$(json "$dumper")\", \
\"wal_lsn\": \"$(json "$lsn")\", \"transactions\": \"$transactions\", \
\"taken_at\": \"$(json "$taken_at")\", \"format\": \"$format\", \
\"database_bytes\": \"$database_bytes\", \"rows\": \"$row_count\", \
\"dump_s\": \"$dump_s\", \"whole_s\": \"$(($(date +%s) - begun))\"}}}"
}
tell_artifact
say "$sha256  $file"
"""


def backup_text(step: Table, database: Table) -> str:
    """The shell text that backs `database` up; its values are the ones of `[databases.ID]`.

    It ends with the report of an artifact and status 0, or with the report of a problem.
    """
    password = _of(database, "password")
    lines = [
        *summarised(_says(step, database)),
        f"id={word(_file_name(str(step['database'])))}",
        f"export PGHOST={word(_of(database, 'host'))}",
        f"export PGPORT={word(_of(database, 'port'))}",
        f"export PGDATABASE={word(_of(database, 'dbname'))}",
        "export PGCONNECT_TIMEOUT=10 PGAPPNAME=optibid-console",
        *([f"export PGUSER={word(database['user'])}"] if database.get("user") else ()),
        *([f"export PGPASSWORD={word(password)}"] if password else ()),
        f"bin={word(_of(database, 'bin'))}",
        f"backups={word(_of(database, 'backups'))}",
        f"format={word(_of(database, 'format'))} jobs={word(_of(database, 'jobs'))}",
        f"tables={word(_lines(_of(database, 'tables')))}",
        f"rows={word(_rows(_of(database, 'rows')))}",
        f"trial={'yes' if _of(database, 'try_restore') is True else ''}",
        f"keep={word(_of(database, 'keep'))} keep_days={_days(_of(database, 'keep_for'))}",
        'stamp="${window.stamp}"',
        "LC_ALL=C; export LC_ALL; umask 077",
        'bin="$bin"${bin:+/}',
    ]
    parts = (SAYING, ENDING, SESSION, WATCHING, VERIFYING, TRIAL, RETAINING, _PREPARE, _DUMP)
    return "\n".join((*lines, REPORTING.strip(), *(part.strip("\n") for part in parts)))


def _says(step: Table, database: Table) -> list[str]:
    """What it does, for people."""
    form, jobs = _of(database, "format"), _of(database, "jobs")
    suffix = "dir" if form == "directory" else "dump"
    file = f"{_file_name(str(step['database']))}_${{window.stamp}}.{suffix}"
    place = f"{_of(database, 'host')}:{_of(database, 'port')}"
    tables, rows = _of(database, "tables"), _of(database, "rows")
    wanted = [
        *(
            ["the tables " + ", ".join(map(str, tables))]
            if isinstance(tables, list | tuple) and tables
            else ()
        ),
        *(f"{_least(least)} of {table}" for table, least in _items(rows)),
    ]
    says = [
        f"pg_dump --format={form} --jobs={jobs} of {_of(database, 'dbname')} at {place}",
        f"read back with pg_restore, with a checksum{', must have ' if wanted else ''}"
        f"{', '.join(wanted)}",
    ]
    if _of(database, "try_restore") is True:
        says.append("restored into a scratch database, compared row for row, dropped")
    return [*says, f"then named {_of(database, 'backups')}/{file}"]


def _least(rows: Any) -> str:
    return f"{counted(rows, 'row')} or more" if isinstance(rows, int) else f"{rows} rows"


def _of(database: Table, key: str) -> Any:
    default = getattr(DatabaseSpec("", "", ""), key)
    return database.get(key, default)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "_", text)


def _lines(values: Any) -> str:
    return "\n".join(map(str, values)) if isinstance(values, list | tuple) else ""


def _rows(rows: Any) -> str:
    return "\n".join(f"{least} {table}" for table, least in _items(rows))


def _items(rows: Any) -> list[tuple[Any, Any]]:
    return list(rows.items()) if isinstance(rows, Mapping) else []


def _days(value: Any) -> int:
    """Whole days; a value that can't be read is refused where the table is."""
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        return 1
    return max(math.ceil(seconds / _DAY_S), 1)


TEXTS["backup"] = backup_text
