"""The story's files: its runbook, its migration, and the script that runs its backend."""

from __future__ import annotations

DBNAME = "optibid"
ADD = """ALTER TABLE bids ADD COLUMN settlement_price numeric(10, 2);
UPDATE bids SET settlement_price = price WHERE id <= 20000;
CREATE INDEX bids_settled ON bids (settlement_price) WHERE settlement_price IS NOT NULL;
DELETE FROM market.prices WHERE zone = 'PJM' AND price < -0.9;
"""
"""What migration 004 does: to the schema, and to rows that only the backup has."""
DRESS = f"""
ALTER DATABASE {DBNAME} OWNER TO keeper;
GRANT CONNECT, TEMPORARY ON DATABASE {DBNAME} TO reader;
REVOKE CONNECT ON DATABASE {DBNAME} FROM PUBLIC;
ALTER DATABASE {DBNAME} SET work_mem = '5MB';
ALTER ROLE reader IN DATABASE {DBNAME} SET search_path = market, public;
COMMENT ON DATABASE {DBNAME} IS 'bids and prices';
"""
"""What belongs to a database and isn't copied with it."""
BACKEND = r"""#!/bin/sh
# start | stop: the release that `current` leads to
cd {room}
pid=$(cat backend.pid 2>/dev/null)
case $1 in
start)
  env -u OPTIBID_RUN setsid {python} {backend} "$(readlink -f current)" {web} {dsn} \
    </dev/null >>backend.log 2>&1 &
  echo $! >backend.pid ;;
stop)
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || exit 0
  while [ "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
  rm -f backend.pid ;;
esac
"""
CONFIG = """
[window]
name = "OptiBid"
version = "v2"
stack = "directory"

{targets}

[databases.optibid]
on = "db-1"
dbname = "optibid"
user = "{role}"
password = "${{DB_PASSWORD}}"
port = {port}
bin = "{bin}"
migrations = "migrations"
lock_timeout = "{lock_timeout}"
tables = ["bids", "audit_logs", "market.prices_pjm"]
rows = {{ bids = {bids} }}
format = "{format}"
jobs = {jobs}

[probes.health]
kind = "http"
title = "backend /health"
on = "app-1"
url = "http://127.0.0.1:{web}/health"
health = true
every = "300ms"
timeout = "5s"

[probes.previous]
kind = "command"
title = "the previous release is there"
on = "app-1"
run = "test -d releases/${{previous.release}}"
every = "500ms"
timeout = "5s"

[[phases]]
id = "prepare"
title = "Prepare"
at = "T-60m"

[[phases.steps]]
id = "1a"
title = "Back up the database"
kind = "backup"
database = "optibid"
timeout = "2m"

[[phases.steps]]
id = "1b"
title = "Note the release"
on = "app-1"
run = "basename $(readlink current)"
record = "previous.release"

[[phases.steps]]
id = "1c"
title = "Keep its files"
on = "app-1"
run = '''set -e; mkdir -p backups
tar -czf backups/release.tar.gz releases/${{previous.release}}
echo "$PWD/backups/release.tar.gz"'''
artifact = "files"
record = "previous.files"

[[phases]]
id = "migrate"
title = "Migrate"
at = "T-30m"

[[phases.steps]]
id = "2a"
title = "Migrate"
kind = "migrate"
database = "optibid"
timeout = "1m"

[[phases]]
id = "deploy"
title = "Deploy"
at = "T+0"

[[phases.steps]]
id = "3a"
title = "Switch to v2"
on = "app-1"
run = "bin/backend stop && ln -sfn releases/v2 current && bin/backend start"
evidence = ["health"]
evidence_timeout = "30s"

[[actions]]
id = "backup"
title = "Back up"
key = "b"
uses = ["1a", "1b", "1c"]

[[actions]]
id = "migrate"
title = "Migrate"
key = "m"
uses = ["2a"]

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
needs_facts = ["backup.path", "previous.release"]
ready_when = ["previous"]

[[actions.steps]]
id = "R1"
title = "Stop what writes"
on = "app-1"
run = "bin/backend stop"
undoes = ["3a"]

[[actions.steps]]
id = "R2"
title = "Restore the database"
kind = "restore"
database = "optibid"
undoes = ["2a"]
timeout = "2m"

[[actions.steps]]
id = "R3"
title = "Switch to the previous release"
on = "app-1"
run = '''test -d releases/${{previous.release}} ||
  {{ echo releases/${{previous.release}} is missing: unpack ${{previous.files}}; exit 1; }}
ln -sfn releases/${{previous.release}} current'''
undoes = ["3a"]

[[actions.steps]]
id = "R4"
title = "Start it"
on = "app-1"
run = "bin/backend start"
undoes = ["3a"]

[[actions.steps]]
id = "R5"
title = "Verify the rollback"
kind = "wait"
wait_for = ["health"]
timeout = "1m"

[[criteria]]
id = "health"
title = "The backend is ill"
fail_when = "probe.health is failing"
active_from = "deploy"
for = "1500ms"
"""
