"""The command of a `kind = "restore"` step: into a fresh database, swapped in by its name.

All of it can be killed anywhere and run again. The fresh database is made anew each time; the
swap is one transaction, and it marks the database with the step that did it, so that a retry
of the same step knows that it is done. What can't be restored leaves everything as it was.
"""

from __future__ import annotations

import re

from optibid_console.runbook.migrate_text import login
from optibid_console.runbook.operations import REPORTING, TEXTS, Table, summarised, word

MARK = r"\[restored by optibid-console: ([^]]*)\]$"
"""The end of the database's comment, where it names the step that restored it."""

_TEXT = (
    r"""
set -eu
PGHOST=@HOST@ PGPORT=@PORT@ db=@DBNAME@ artifact=@PATH@ sum=@SUM@ jobs=@JOBS@
PGAPPNAME='optibid-console restore' PGOPTIONS="${PGOPTIONS-} -c client_min_messages=warning"
export PGHOST PGPORT PGAPPNAME PGOPTIONS
@LOGIN@PATH=@BIN@"$PATH"
"""
    + REPORTING
    + r"""
mark=${OPTIBID_RUN%/} mark=${mark##*/} mark=${mark%-*}
fresh=$(printf '%.50s' "$db")_restoring
failed=$(printf '%.40s' "$db")_failed_$(date -u +%Y%m%d_%H%M%S)
closed= swapped= summing= summed=
sql() {
  psql -X -q -A -t -v ON_ERROR_STOP=1 -d postgres -v db="$db" -v fresh="$fresh" \
    -v failed="$failed" -v by="[restored by optibid-console: $mark]" "$@"
}
sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}
fail() { echo "$1" >&2; exit 3; }
plain() { case $1 in *[\"\\]*) said= ;; *) said=$1 ;; esac; }
tell() {
  plain "$3"
  report '{"progress": {"done": '"$1"', "total": '"$2"', "unit": "items", "note": "'"$said"'"}}'
}
step() { echo "$1"; tell 0 0 "$1"; }

swapped_in() {
  sql <<'SQL'
SELECT 1 FROM pg_database WHERE datname = :'db'
  AND right(shobj_description(oid, 'pg_database'), length(:'by')) = :'by';
SQL
}
present() {
  sql <<'SQL'
SELECT pg_database_size(oid) / 1024 FROM pg_database WHERE datname = :'db';
SQL
}
reopen() {
  sql <<'SQL' || echo "$db takes no connections: ALTER DATABASE … ALLOW_CONNECTIONS true" >&2
ALTER DATABASE :"db" ALLOW_CONNECTIONS true;
SQL
}
drop() {
  sql <<'SQL'
DROP DATABASE IF EXISTS :"fresh" WITH (FORCE);
SQL
}
# What a dump of one database doesn't hold: where it lives, whose it is, its settings and grants.
create() {
  sql <<'SQL'
SELECT count(*) = 0 AS new FROM pg_database WHERE datname = :'db' \gset
\if :new
CREATE DATABASE :"fresh" TEMPLATE template0;
\endif
SELECT format('CREATE DATABASE %I TEMPLATE template0 OWNER %I ENCODING %L LC_COLLATE %L'
  ' LC_CTYPE %L CONNECTION LIMIT %s%s%s', :'fresh', pg_get_userbyid(d.datdba),
  pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, d.datconnlimit,
  CASE t.spcname WHEN 'pg_default' THEN '' ELSE format(' TABLESPACE %I', t.spcname) END,
  CASE to_jsonb(d) ->> 'datlocprovider' WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L',
    coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')) ELSE '' END)
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = :'db' \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'fresh')
FROM pg_database WHERE datname = :'db' AND datacl IS NOT NULL \gexec
SELECT format('GRANT %s ON DATABASE %I TO %s%s', x.privilege_type, :'fresh',
  CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END,
  CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_database d, aclexplode(d.datacl) x WHERE d.datname = :'db' \gexec
\set ON_ERROR_STOP off
SELECT format('ALTER %s SET %I = %s', CASE s.setrole WHEN 0 THEN format('DATABASE %I', :'fresh')
    ELSE format('ROLE %s IN DATABASE %I', s.setrole::regrole, :'fresh') END,
  split_part(c, '=', 1), CASE WHEN split_part(c, '=', 1) IN ('search_path', 'temp_tablespaces',
    'local_preload_libraries', 'session_preload_libraries') THEN substr(c, strpos(c, '=') + 1)
    ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END)
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c
WHERE d.datname = :'db' \gexec
SQL
}
told() {
  count=0
  while IFS= read -r line; do
    case $line in
      *': error: '* | *': warning: '* | *': detail: '* | *': hint: '* | Command\ was:*)
        echo "$line"
        continue ;;
      # several jobs may write into one line
      *'creating '[A-Z]*) what=${line#*creating } ;;
      *'processing data for table '*) what="data of ${line#*processing data for table }" ;;
      *) continue ;;
    esac
    case $what in *\"*) what="${what%%\"*}${what#*\"}" what=${what%\"} ;; esac
    count=$((count + 1))
    tell "$count" "$items" "$what"
  done
}
fill_in() {
  exec 3>&1
  status=$({ { pg_restore --verbose --exit-on-error "$how" --dbname="$fresh" "$artifact" \
    2>&1 >/dev/null || echo $? >&4; } | told >&3; } 4>&1)
  exec 3>&-
  [ -z "$status" ] || fail "pg_restore exited $status: $db is as it was"
}
end_sessions() {
  sql <<'SQL'
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname IN (:'db', :'fresh') AND pid <> pg_backend_pid()
  AND backend_type <> 'autovacuum worker';
SQL
}
close() {
  sql <<'SQL'
SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS false', datname) FROM pg_database
WHERE datname = :'db' \gexec
SQL
}
swap() {
  sql <<'SQL'
BEGIN;
SELECT format('ALTER DATABASE %I RENAME TO %I', :'db', :'failed') FROM pg_database
WHERE datname = :'db' \gexec
ALTER DATABASE :"fresh" RENAME TO :"db";
SELECT format('COMMENT ON DATABASE %I IS %L', :'db', concat_ws(' ', nullif(regexp_replace(
  (SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = :'failed'),
  ' *\[restored by optibid-console: [^]]*\]$', ''), ''), :'by')) \gexec
COMMIT;
SQL
}
keep() {
  sql <<'SQL' || echo "$failed stays closed" >&2
SELECT format('ALTER DATABASE %I SET default_transaction_read_only = on', datname),
  format('ALTER DATABASE %I ALLOW_CONNECTIONS true', datname)
FROM pg_database WHERE datname = :'failed' \gexec
SQL
}
checksum() {
  if [ -d "$artifact" ]; then
    # of a directory it is the checksum of its files' checksums, as the backup wrote them
    LC_ALL=C; export LC_ALL
    cd -- "$artifact" && sha256 * | sed "s,  ,  ${artifact##*/}/," | sha256
  else sha256 <"$artifact"; fi
}
# The catalogs aren't everybody's, and it warns of each.
analyse() {
  if [ "$jobs" -gt 1 ] && command -v vacuumdb >/dev/null; then
    PGOPTIONS="$PGOPTIONS -c client_min_messages=error" \
      vacuumdb --analyze-only --quiet --jobs="$jobs" --dbname="$fresh"
  else
    psql -X -q -v ON_ERROR_STOP=1 -d "$fresh" -c 'SET client_min_messages = error' -c ANALYZE
  fi
}
leave() {
  [ -z "$summing" ] || kill "$summing" 2>/dev/null || :
  [ -z "$summed" ] || rm -f "$summed"
  [ -z "$closed" ] || [ "$swapped" ] || [ "$(swapped_in)" ] || reopen
  [ "$swapped" ] || drop || :
}

if [ "$(swapped_in)" ]; then
  echo "$db was restored and swapped in already: nothing is done again"
  report '{"restored": {"already": true}}'
  exit 0
fi
[ -e "$artifact" ] || fail "$artifact isn't there: $db is as it was"
needs=$(present)
case $PGHOST in
  localhost | 127.* | ::1 | /*)
    place=$(sql -c 'SHOW data_directory' 2>/dev/null) || place=
    if [ "$place" ] && [ -d "$place" ] && [ "$needs" ]; then
      free=$(df -Pk "$place" | tail -n 1 | awk '{ print $4 }')
      [ "$free" -gt "$needs" ] ||
        fail "no space to restore: $place has $free kB free, $db is $needs kB; nothing was changed"
    fi ;;
esac
trap leave EXIT
trap 'exit 143' TERM INT HUP
step "checking $artifact, and making $fresh"
summed=$(mktemp "${OPTIBID_RUN:-${TMPDIR:-/tmp}/}restore.XXXXXX")
checksum >"$summed" &
summing=$!
drop
create
wait "$summing" || fail "$artifact can't be read: $db is as it was"
summing=
read -r actual _ <"$summed"
# nothing of it is executed before
[ "$actual" = "$sum" ] ||
  fail "$artifact isn't the backup that was verified: its SHA-256 is $actual, not $sum"
list=$(pg_restore --list "$artifact")
items=$(printf '%s\n' "$list" | grep -c '^[0-9]')
how=--single-transaction timescale=
[ "$jobs" -le 1 ] || how=--jobs=$jobs
case $list in *'EXTENSION - timescaledb '*) timescale=1 how=--single-transaction ;; esac
# its own catalog has to be told (TimescaleDB's manual, logical backup)
[ -z "$timescale" ] || psql -X -q -v ON_ERROR_STOP=1 -d "$fresh" \
  -c 'CREATE EXTENSION IF NOT EXISTS timescaledb' -c 'SELECT timescaledb_pre_restore()'
step "restoring $items items of $artifact into $fresh"
fill_in
[ -z "$timescale" ] ||
  psql -X -q -v ON_ERROR_STOP=1 -d "$fresh" -c 'SELECT timescaledb_post_restore()'
step "restored; taking its statistics"
analyse
step "swapping it in"
closed=1
close
end_sessions >/dev/null
swap
swapped=1
keep
if [ "$needs" ]; then
  echo "$db is restored from $artifact; the damaged one is kept as $failed, read only"
  plain "$failed"
  report '{"restored": {"already": false, "kept_as": "'"$said"'"}}'
else
  echo "$db is restored from $artifact"
  report '{"restored": {"already": false}}'
fi
"""
)


def restore_text(step: Table, database: Table) -> str:
    """Into a fresh database, all or nothing, then swapped in: every value as one word."""
    name = step.get("database")
    given = {
        "HOST": word(database.get("host", "127.0.0.1")),
        "PORT": word(database.get("port", 5432)),
        "DBNAME": word(database["dbname"]),
        "PATH": word(f"${{backup.{name}.path}}"),
        "SUM": word(f"${{backup.{name}.sha256}}"),
        "JOBS": word(database.get("jobs", 1)),
        "LOGIN": login(database),
        "BIN": word(f"{database['bin']}:") if database.get("bin") else "",
    }
    head = summarised(
        (
            f"check that ${{backup.{name}.path}} has SHA-256 ${{backup.{name}.sha256}}",
            "restore it into a fresh database, all or nothing",
            f"end the sessions of {database['dbname']} and swap the two by name in one transaction",
            "keep the damaged one, read only, under a name that ends in _failed_ and the time",
        )
    )
    text = re.sub("@([A-Z]+)@", lambda found: given[found[1]], _TEXT)
    return "\n".join(head) + text


TEXTS["restore"] = restore_text
