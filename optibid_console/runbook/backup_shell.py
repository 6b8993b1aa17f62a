"""The shell functions of a backup's run: POSIX sh, for dash, bash and busybox ash alike.

They report to the console (`operations.REPORTING`) as they go:

| report | says |
| --- | --- |
| `{"progress": …}` | how far the dump is, about once a second |
| `{"part": PATH}` | the file that is being written |
| `{"removed": PATH}`, `{"left": PATH}` | what became of it when it isn't a backup |
| `{"scratch": NAME}` | the database that a trial restore makes; `""` when it is gone |
| `{"problem": SENTENCE}` | why it failed |
| `{"artifact": …}` | the backup, after it was verified |
"""

from __future__ import annotations

SAYING = r"""
say() { printf '%s\n' "$*"; }
# A JSON string's inside: what is no text in it becomes a space.
json() { printf '%s' "$1" | tr '\000-\037\177' ' ' | sed 's/[\\"]/\\&/g'; }
tell() { report "{\"$1\": \"$(json "$2")\"}"; }
said() { tr '\n' ' ' <"$work/said" | cut -c 1-400; }
fail() {
  say "$1" >&2
  tell problem "$1"
  exit 1
}
# Kept under a name that says what it is: the next person may want to look at it.
bad() {
  if mv "$part" "$file.bad"; then
    part=
    tell left "$file.bad"
  fi
  fail "$1"
}
bytes_of() { ls -ln "$1" | awk '/^-/ { sum += $5 } END { printf "%.0f", sum }'; }
megabytes() { say "$((($1 + 999999) / 1000000)) MB"; }
# Where `sync` takes no names, everything is synced.
settle() { sync "$@" 2>/dev/null || sync; }
"""

ENDING = r"""
work= part= file= session= dump= watcher= summing= scratch=
clean() {
  trap : TERM INT HUP
  trap - EXIT
  for one in $watcher $dump $summing $session; do kill "$one"; done 2>/dev/null
  [ -z "$dump" ] || wait "$dump" 2>/dev/null
  [ -z "$scratch" ] || drop_scratch "WITH (FORCE)"
  if [ "$part" ] && [ -e "$part" ]; then
    if rm -rf "$part"; then tell removed "$part"; else tell left "$part"; fi
  fi
  [ -z "$work" ] || rm -rf "$work"
}
trap clean EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP
trap : PIPE
"""

# One session holds the snapshot that the dump is of, so that all that is said of its moment is
# true of it. LSN and transactions are read just before: what comes after is lost by going back.
SESSION = r"""
open_session() {
  mkfifo "$work/sql" "$work/answers" || fail "no pipe can be made in $work"
  "$bin"psql -X -A -t -q -w -v ON_ERROR_STOP=1 <"$work/sql" >"$work/answers" 2>"$work/said" &
  session=$!
  exec 4>"$work/sql" 5<"$work/answers"
  printf '%s\n' "$opening" "\\o '$work/children'" "$children" '\o' "$moment" >&4 2>/dev/null
  IFS='|' read -r version number lsn transactions database_bytes <&5 &&
    IFS='|' read -r snapshot taken_at table_count <&5 || {
      wait "$session"
      session=
      fail "the database can't be read: $(said)"
    }
}
opening="
SET search_path = pg_catalog; SET row_security = off; SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0; SET timezone = 'UTC'; SET datestyle = 'ISO';
SET extra_float_digits = 3;
SELECT current_setting('server_version'), current_setting('server_version_num'),
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
  (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()),
  pg_database_size(current_database());
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
"
# Each table whose rows are (also) in others: partitions, children, chunks; all levels of them.
children="
WITH RECURSIVE below AS (
  SELECT inhrelid AS child, inhparent AS parent FROM pg_inherits
  UNION SELECT below.child, i.inhparent FROM below JOIN pg_inherits i ON i.inhrelid = below.parent)
SELECT n.nspname || '.' || c.relname || E'\t' || m.nspname || '.' || p.relname
  FROM below JOIN pg_class c ON c.oid = child JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class p ON p.oid = parent JOIN pg_namespace m ON m.oid = p.relnamespace
  WHERE c.relkind = 'r' AND p.relkind IN ('r', 'p');
"
moment="
SELECT pg_export_snapshot(), to_char(now(), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
  (SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema');
"
"""

WATCHING = r"""
estimate() {
  total=0
  for one in "$backups/$id"_[0-9]*[0-9]."$suffix"; do
    [ -e "$one" ] && total=$(bytes_of "$one")
  done
  needed=$((total + total / 5))
  basis="a fifth more than the last backup of it"
  [ "$total" -gt 0 ] && return
  total=$((database_bytes / 6)) needed=$database_bytes
  basis="the database's own size: there is no backup of it yet to go by"
}
progress() {
  done=0
  [ -e "$part" ] && done=$(bytes_of "$part")
  [ "$done" -gt "$total" ] && total=0
  took=$(($(date +%s) - began)) per_s=0 left=null
  [ "$took" -gt 0 ] && per_s=$((done / took))
  [ "$total" -gt 0 ] && [ "$per_s" -gt 0 ] && left=$(((total - done) / per_s))
  IFS=' ' read -r count table <<LAST
$(awk '/dumping contents of table "/ { count++; last = $0 }
  END { gsub(/^.*table "|"[^"]*$/, "", last); print count + 0, last }' "$work/log")
LAST
  note="$count of $(counted "$table_count" table)${table:+: $table}"
  shown "$done" "$total" "$per_s" "$left" "$note"
}
shown() {
  report "{\"progress\": {\"done\": $1, \"total\": $2, \"unit\": \"bytes\", \"per_s\": $3, \
\"left_s\": $4, \"note\": \"$(json "$5")\"}}"
}
# It ends with its shell, and holds no end of the session's pipes: the session ends with it too.
follow_dump() {
  trap - EXIT TERM INT HUP
  exec 4>&- 5<&-
  while kill -0 "$$" 2>/dev/null; do
    progress
    sleep 1 >/dev/null 2>&1
  done
}
"""

VERIFYING = r"""
sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}
# Lines as `sha256sum --check` reads them, with names as they will be.
sums() {
  if [ -d "$part" ]; then
    (cd "$part" && sha256 *) | sed "s,  ,  ${file##*/}/,"
  else
    sha256 <"$part" | sed "s,  .*,  ${file##*/},"
  fi
}
# A table whose data is in its partitions is there when that of each of them is.
tables_missing() {
  awk -F '\t' 'FILENAME == ARGV[1] { if ($0 != "") want[$0]; next }
    FILENAME == ARGV[2] {
      if (!sub(/^[0-9]+; [0-9]+ [0-9]+ TABLE DATA /, "")) next
      at = index($0, " "); name = substr($0, at + 1); sub(/ [^ ]*$/, "", name)
      seen[name]; seen[substr($0, 1, at - 1) "." name]; next
    }
    { parent = $2; whole[parent]; if (!($1 in seen)) lacks[parent] }
    END {
      for (parent in whole) if (!(parent in lacks)) {
        seen[parent]; name = parent; sub(/^[^.]*\./, "", name); seen[name]
      }
      for (one in want) if (!(one in seen)) print one
    }' "$work/tables" "$work/list" "$work/children"
}
# Every row of every table as the dump has it: all of it is read and unpacked.
rows_of_dump() {
  {
    "$bin"pg_restore --data-only --file=- "$part" 2>"$work/said"
    printf '%s\n' "$?" >"$work/status"
  } | awk 'inside { if ($0 == "\\.") { print rows, name; inside = 0 } else rows++; next }
    /^COPY .* FROM stdin;$/ {
      name = substr($0, 6); sub(/ +FROM stdin;$/, "", name); sub(/ \(.*$/, "", name)
      gsub(/"/, "", name); inside = 1; rows = 0
    }' >"$work/counts"
  read -r status <"$work/status"
  return "$status"
}
# A table's rows are also those of its partitions.
rows_missing() {
  awk 'FILENAME == ARGV[1] { rows[substr($0, length($1) + 2)] = $1; next }
    FILENAME == ARGV[2] {
      at = index($0, "\t"); child = substr($0, 1, at - 1); parent = substr($0, at + 1)
      if (child in rows) more[parent] += rows[child]
      next
    }
    !counted {
      counted = 1
      for (name in more) rows[name] += more[name]
      for (name in rows) { table = name; sub(/^[^.]*\./, "", table); any[table] += rows[name] }
    }
    $0 != "" {
      name = substr($0, length($1) + 2)
      has = (name in rows) ? rows[name] : any[name] + 0
      noun = has == 1 ? " row" : " rows"
      if (has < $1 + 0) print name " has " has noun ", expected at least " $1
    }' "$work/counts" "$work/children" "$work/rows"
}
# counted NUMBER ONE [MANY]: `1 row`, `2 rows`
counted() { if [ "$1" -eq 1 ]; then printf '1 %s' "$2"; else printf '%s %s' "$1" "${3:-$2s}"; fi; }
listed() { tr '\n' ',' | sed 's/,$//; s/,/, /g'; }
verify() {
  began=$(date +%s)
  shown "$size" "$size" 0 null "reading it back"
  sums >"$work/sums" &
  summing=$!
  "$bin"pg_restore --list "$part" >"$work/list" 2>"$work/said" ||
    bad "pg_restore can't read the dump: $(said)"
  printf '%s\n' "$tables" >"$work/tables"
  missing=$(tables_missing | sort | listed)
  [ -z "$missing" ] || bad "the dump has no data of $missing"
  rows_of_dump || bad "the dump can't be read to its end: $(said)"
  printf '%s\n' "$rows" >"$work/rows"
  missing=$(rows_missing | listed)
  [ -z "$missing" ] || bad "in the dump, $missing"
  row_count=$(awk '{ sum += $1 } END { printf "%.0f", sum }' "$work/counts")
  data_count=$(grep -c . "$work/counts")
  wait "$summing" || bad "no checksum could be taken"
  summing=
  read -r sha256 name <"$work/sums"
  [ ! -d "$part" ] || sha256=$(sha256 <"$work/sums")
  sha256=${sha256%% *}
  check "pg_restore reads all of it: $(counted "$row_count" row) of $(counted "$data_count" table)"
  [ -z "$tables" ] || check "the tables that it must have are in it"
  [ -z "$rows" ] || check "they have the rows that they must have"
}
checks=
check() {
  say "verified: $1"
  checks="$checks${checks:+, }\"$(json "$1")\""
}
"""

OPEN_STAMPS = "OPTIBID_OPEN_STAMPS"
"""In the run's environment: the stamps of the windows that are open, with spaces between."""
KEEP_ALL = "OPTIBID_KEEP_ALL"
"""In the run's environment: why nobody knows which windows are open; then nothing is removed."""

RETAINING = r"""
# Names sort by time. Those of open windows stay, and `keep` of all.
of_open_window() {
  for window in $stamp ${OPTIBID_OPEN_STAMPS:-}; do
    case $1 in "$backups/$id"_"$window"*) return 0 ;; esac
  done
  return 1
}
retain() {
  if [ "${OPTIBID_KEEP_ALL:-}" ]; then
    say "older backups stay: $OPTIBID_KEEP_ALL"
    return
  fi
  set -- "$backups/$id"_[0-9]*[0-9]."$suffix"
  for one; do
    [ $# -gt "$keep" ] || break
    ! of_open_window "$one" || continue
    if [ "$(find "$one" -prune -mtime +"$((keep_days - 1))")" ]; then
      if rm -rf "$one" "$one.sha256"; then say "removed $one: older than $keep_days days"; fi
      shift
    fi
  done
  for one in "$backups/$id"_[0-9]*."$suffix".bad; do
    if [ -e "$one" ] && [ "$(find "$one" -prune -mtime +"$((keep_days - 1))")" ]; then
      if rm -rf "$one"; then say "removed $one: older than $keep_days days"; fi
    fi
  done
}
# A dump in the making changes all the time; one of this window can't be: a step runs once.
sweep() {
  for one in "$backups/$id"_[0-9]*."$suffix".part; do
    [ -e "$one" ] || continue
    case $one in
      "$backups/$id"_"$stamp"*) ;;
      *) [ "$(find "$one" -prune -mtime +0)" ] || continue ;;
    esac
    if rm -rf "$one"; then say "removed $one: never finished"; fi
  done
}
"""
