"""The command of a `kind = "migrate"` step: its own runner, or the console's."""

from __future__ import annotations

from optibid_console.database.migrations import RESOLVE
from optibid_console.database.records import CREATE
from optibid_console.runbook.durations import parse_duration
from optibid_console.runbook.operations import REPORTING, TEXTS, Table, summarised, word

SESSION = """
run=${OPTIBID_RUN%%/}
PGAPPNAME=$(printf 'migrate %%.50s' "${run##*/}")
PGOPTIONS="${PGOPTIONS-} -c lock_timeout=%dms -c client_connection_check_interval=1s"
export PGAPPNAME PGOPTIONS
"""
"""What every libpq session of the run says to the server: who it is, how long it may wait for a
lock, and that the server is to give up what it does when the run is gone (PostgreSQL 14)."""

_USUAL_LOCK_TIMEOUT_S = 10.0

_RUNNER = r"""
set -eu
PGHOST={host} PGPORT={port} PGDATABASE={dbname}
export PGHOST PGPORT PGDATABASE
{login}PATH={bin}"$PATH"
{reporting}
ask() {{ psql -X -q -A -t -v ON_ERROR_STOP=1 -v optibid_number="$number" -v optibid_name="$name" \
  -v optibid_version="$version" -v optibid_shared="$shared" -v optibid_sum="$sum" "$@"; }}
json() {{ printf '%s' "$1" | tr '\000-\037\177' ' ' | sed 's/[\\"]/\\&/g'; }}
number= name= version= shared=0 sum= work=
errors=$(mktemp)
trap 'rm -rf "$errors" ${{work:+"$work"}}' EXIT
trap 'exit 143' TERM
{files}
echo "SET client_min_messages = warning; {create};" | ask
numbered() {{ n=${{1%%[!0-9]*}}; while [ "$n" != "${{n#0}}" ]; do n=${{n#0}}; done; echo "$n"; }}
numbers=$(for file in [0-9]*.sql; do [ ! -f "$file" ] || numbered "$file"; done)
# A row is a file's when it has the file's name, or its number and no other file has that.
mine="(regexp_replace(version::text, '[.]sql$', '', 'i') = :'optibid_name'
  OR substring(version::text FROM '^ *[vV]?([0-9]+)')::numeric = :'optibid_number'::numeric
  AND (:optibid_shared < 2 OR regexp_replace(name::text, '[.]sql$', '', 'i') IN
    (:'optibid_name', substr(:'optibid_name', length(:'optibid_number') + 2))))"
forget="DELETE FROM schema_migrations WHERE NOT success AND $mine;"
record="INSERT INTO schema_migrations
  (version, name, applied_at, execution_time_ms, checksum, success, error_message) VALUES
  (:'optibid_version', :'optibid_name', now(),
  extract(epoch FROM clock_timestamp() - now()) * 1000, :'optibid_sum',"
for file in [0-9]*.sql; do
  [ -f "$file" ] || continue
  name=${{file%.sql}} number=${{file%%[!0-9]*}}
  shared=$(printf '%s\n' "$numbers" | grep -cx -- "$(numbered "$file")") version=$number
  [ "$shared" -lt 2 ] || version=$name
  known=$(echo "SELECT 1 FROM schema_migrations WHERE success AND $mine LIMIT 1;" | ask)
  [ -z "$known" ] || continue
  echo "applying $name"
  sum=$(sha256sum <"$file") sum=${{sum%% *}}
  # an earlier try's error isn't this one's
  echo "$forget" | ask
  # its row is in the same transaction: both are there or neither
  if {{ echo 'BEGIN;'; cat -- "$file"; echo; echo ";$forget $record true, NULL); COMMIT;"; }} |
    ask 2>"$errors"; then
    cat "$errors" >&2
    echo "applied $name"
    continue
  fi
  cat "$errors" >&2
  said=$(head -c 2000 "$errors")
  report "{{\"failed\": \"$(json "$name")\", \"error\": \"$(json "$said")\"}}"
  echo "$forget $record false, :'optibid_said');" | ask -v optibid_said="$said" || :
  echo "failed: $name" >&2
  exit 1
done
"""


_RELEASE = (
    RESOLVE
    + r"""work=$(mktemp -d "${{OPTIBID_RUN:-${{TMPDIR:-/tmp}}/}}release.XXXXXX")
(
  cd -- "$top"
  GIT_INDEX_FILE=$work/index
  export GIT_INDEX_FILE
  git read-tree "$tree"
  git checkout-index --all --prefix="$work/files/"
)
echo "migrations of $release, commit $commit"
cd -- "$work/files"
"""
)
"""The release's own files, written out of git: what is checked out there doesn't matter."""


def migrate_text(step: Table, database: Table) -> str:
    """The runner that the step names, or the console's own, in a session that is watched."""
    session = SESSION % round(_lock_timeout_s(database) * 1000)
    own = step.get("run")
    if isinstance(own, str) and own.strip():
        return f"{session}{own}"
    directory = database.get("migrations") or "database/migrations"
    revision = database.get("revision")
    where = f"{directory} in {revision}" if revision else directory
    files = _RELEASE if revision else "cd -- {directory}"
    head = summarised(
        (
            f"apply what {database['dbname']} doesn't have of {where}, each file in one "
            f"transaction, waiting at most {_lock_timeout_s(database):g} s for a lock",
        )
    )
    return (
        "\n".join(head)
        + session
        + _RUNNER.format(
            host=word(database.get("host", "127.0.0.1")),
            port=word(database.get("port", 5432)),
            dbname=word(database["dbname"]),
            login=login(database),
            bin=word(f"{database['bin']}:") if database.get("bin") else "",
            files=files.format(directory=word(directory), revision=word(revision)),
            reporting=REPORTING.strip(),
            create=CREATE,
        )
    )


def login(database: Table) -> str:
    """The lines that export the user and the password, where the table names them."""
    lines = ""
    for key, name in (("user", "PGUSER"), ("password", "PGPASSWORD")):
        if database.get(key):
            lines += f"export {name}={word(database[key])}\n"
    return lines


def _lock_timeout_s(database: Table) -> float:
    try:
        return float(parse_duration(str(database.get("lock_timeout", "10s"))))
    except ValueError:  # it is noted where the table is read
        return _USUAL_LOCK_TIMEOUT_S


TEXTS["migrate"] = migrate_text
