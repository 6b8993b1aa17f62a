"""All of a database that a backup has to bring back, to be compared with it later."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping

import psycopg
from psycopg import sql

from tests.servers.postgres import DEBIAN, PostgresServer

Portrait = Mapping[str, object]

_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY 1, 2
"""
_SUM = """
SELECT count(*), coalesce(sum(hashtextextended(t::text, 4711)::numeric), 0) FROM ONLY {} t
"""
_ASKED = {
    "sequences": "SELECT * FROM pg_sequences ORDER BY schemaname, sequencename",
    "extensions": "SELECT extname, extversion, extnamespace::regnamespace::text,"
    " obj_description(oid, 'pg_extension') FROM pg_extension ORDER BY 1",
    "owners": "SELECT 'relation', oid::regclass::text, relowner::regrole::text FROM pg_class"
    " WHERE oid >= 16384 AND relkind <> 't' AND relnamespace <> 'pg_toast'::regnamespace"
    " UNION ALL SELECT 'function', oid::regprocedure::text, proowner::regrole::text FROM pg_proc"
    " WHERE oid >= 16384 UNION ALL SELECT 'type', oid::regtype::text, typowner::regrole::text"
    " FROM pg_type WHERE oid >= 16384 AND typnamespace <> 'pg_toast'::regnamespace"
    " UNION ALL SELECT 'schema', nspname, nspowner::regrole::text FROM pg_namespace ORDER BY 1, 2",
    "grants": "SELECT c.oid::regclass::text, '', x.grantee::regrole::text, x.privilege_type,"
    " x.is_grantable FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid >= 16384"
    " UNION ALL SELECT a.attrelid::regclass::text, a.attname, x.grantee::regrole::text,"
    " x.privilege_type, x.is_grantable FROM pg_attribute a, aclexplode(a.attacl) x"
    " WHERE a.attrelid >= 16384 UNION ALL SELECT p.oid::regprocedure::text, '()',"
    " x.grantee::regrole::text, x.privilege_type, x.is_grantable FROM pg_proc p,"
    " aclexplode(p.proacl) x WHERE p.oid >= 16384 UNION ALL SELECT n.nspname, 'schema',"
    " x.grantee::regrole::text, x.privilege_type, x.is_grantable FROM pg_namespace n,"
    " aclexplode(n.nspacl) x ORDER BY 1, 2, 3, 4",
    "default privileges": "SELECT d.defaclrole::regrole::text, d.defaclnamespace::regnamespace"
    "::text, d.defaclobjtype, x.grantee::regrole::text, x.privilege_type FROM pg_default_acl d,"
    " aclexplode(d.defaclacl) x ORDER BY 1, 2, 3, 4, 5",
    "comments": "SELECT pg_describe_object(classoid, objoid, objsubid), description"
    " FROM pg_description WHERE objoid >= 16384 ORDER BY 1, 2",
    "large objects": "SELECT loid, pageno, md5(data) FROM pg_largeobject ORDER BY 1, 2",
    "the database": "SELECT datdba::regrole::text, (SELECT array_agg(x::text ORDER BY x::text)"
    " FROM unnest(datacl) x), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit,"
    " datallowconn, regexp_replace(shobj_description(oid, 'pg_database'),"
    r" ' *\[restored by optibid-console: [^]]*\]$', '') FROM pg_database"
    " WHERE datname = current_database()",
    "settings": "SELECT setrole::regrole::text, c FROM pg_db_role_setting s, unnest(setconfig) c"
    " WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " ORDER BY 1, 2",
}


def portrait(server: PostgresServer, dbname: str) -> Portrait:
    """Rows and checksums of every table, and everything about them that has a name.

    What isn't asked for by name is in `pg_dump --schema-only`, whose text has to be the same.
    """
    with psycopg.connect(server.dsn(dbname), autocommit=True) as connection:
        connection.execute("SET extra_float_digits = 3; SET timezone = 'UTC'")
        tables = [sql.Identifier(*row) for row in connection.execute(_TABLES)]
        found: dict[str, object] = {
            one.as_string(): connection.execute(sql.SQL(_SUM).format(one)).fetchone()
            for one in tables
        }
        for name, query in _ASKED.items():
            found[name] = connection.execute(query.encode()).fetchall()
    return {**found, "schema": _schema(server, dbname)}


def rows(of: Portrait) -> int:
    """How many rows all tables have."""
    return sum(one[0] for name, one in of.items() if isinstance(one, tuple) and '"' in name)


def differences(before: Portrait, after: Portrait) -> list[str]:
    """The names of what isn't the same."""
    return sorted(one for one in {*before, *after} if before.get(one) != after.get(one))


def _schema(server: PostgresServer, dbname: str) -> str:
    said = subprocess.run(
        [DEBIAN / "pg_dump", "--schema-only", server.dsn(dbname)],
        check=True, stdout=subprocess.PIPE, text=True, env={**os.environ},
    ).stdout  # fmt: skip
    return re.sub(r"(?m)^\\(un)?restrict .*$", "", said)  # a word that is new each time
