"""The shell functions of a trial restore: into a scratch database, compared, dropped.

They use those of `backup_shell`.
"""

from __future__ import annotations

TRIAL = r"""
# The same for the same rows in any order. What belongs to an extension isn't dumped.
fingerprint="
SELECT format('SELECT %L, count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)
    FROM ONLY %s t', c.oid::regclass, c.oid::regclass)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ORDER BY c.oid::regclass::text
\\gexec
"
settings="
SET search_path = pg_catalog; SET row_security = off; SET statement_timeout = 0;
SET timezone = 'UTC'; SET datestyle = 'ISO'; SET extra_float_digits = 3;
"
# Without force the server waits up to 5 s for sessions that are ending; with it, it ends them and
# logs a FATAL line for each, which would look like trouble of the window's.
drop() {
  "$bin"psql -X -q -w -v ON_ERROR_STOP=1 -v name="$1" -v force="$2" \
    >/dev/null 2>"$work/said" <<'SQL'
SELECT format('DROP DATABASE IF EXISTS %I %s', :'name', :'force')
\gexec
SQL
}
drop_scratch() {
  if drop "$scratch" "$1" || drop "$scratch" "WITH (FORCE)"; then
    scratch=
    tell scratch ""
  else
    say "the database $scratch is left: $(said)" >&2
  fi
}
make_scratch() {
  "$bin"psql -X -q -w -v ON_ERROR_STOP=1 -v name="$scratch" >/dev/null 2>"$work/said" <<'SQL'
SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
  :'name', pg_encoding_to_char(encoding), datcollate, datctype)
  FROM pg_database WHERE datname = current_database()
\gexec
SQL
}
try_restore() {
  shown "$size" "$size" 0 null "waiting for the checksums of the tables"
  printf '%s\n' '\o' '\echo taken' >&4 2>/dev/null
  read -r taken <&5 || fail "the tables' checksums couldn't be taken: $(said)"
  scratch=$(printf '%s' "$PGDATABASE" | cut -c 1-40)_try_$stamp
  shown "$size" "$size" 0 null "restoring it into $scratch"
  tell scratch "$scratch"
  drop "$scratch" "WITH (FORCE)" ||
    fail "the database $scratch of an earlier trial can't be dropped: $(said)"
  make_scratch || fail "the database $scratch can't be made: $(said)"
  "$bin"pg_restore --exit-on-error --jobs="$jobs" -w --dbname="dbname='$(quoted "$scratch")'" \
    "$part" >/dev/null 2>"$work/said" || bad "the dump can't be restored: $(said)"
  printf '%s\n' "$settings$fingerprint" |
    PGDATABASE=$scratch "$bin"psql -X -A -t -q -w -v ON_ERROR_STOP=1 \
      >"$work/restored" 2>"$work/said" || bad "what was restored can't be read: $(said)"
  if ! cmp -s "$work/dumped" "$work/restored"; then
    differ=$(diff "$work/dumped" "$work/restored" | sed -n 's/^[<>] \([^|]*\)|.*/\1/p' | sort -u)
    bad "restored, these tables differ from what was dumped: $(printf '%s\n' "$differ" | listed)"
  fi
  count=$(grep -c . "$work/restored")
  drop_scratch ""
  have=$(counted "$count" "table has" "tables have")
  check "restored into a scratch database: $have the same rows and checksums"
}
quoted() { printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g"; }
"""
