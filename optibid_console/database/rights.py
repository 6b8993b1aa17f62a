"""What the console's own role lacks to restore a database as it is.

A superuser lacks nothing. Anyone else must be let create databases, end others' sessions and
give each object to its owner, and can't make what only a superuser may: extensions that aren't
trusted, event triggers, functions in untrusted languages. (PostgreSQL manual, CREATE DATABASE,
CREATE EXTENSION, ALTER TABLE … OWNER TO, 9.27.2.)
"""

from __future__ import annotations

RIGHTS = """
WITH me AS (SELECT rolname, rolcreatedb FROM pg_roles
    WHERE rolname = current_user AND NOT rolsuper),
made AS (
    SELECT 1 AS place, 'the extension ' || e.extname AS what FROM pg_extension e
        JOIN pg_available_extensions a ON a.name = e.extname
        JOIN pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version
        WHERE v.superuser AND NOT v.trusted
    UNION ALL SELECT 2, 'the event trigger ' || evtname FROM pg_event_trigger t WHERE NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass
            AND d.objid = t.oid AND d.deptype = 'e')
    UNION ALL SELECT 3, format('the function %s (%s)', p.oid::regprocedure, l.lanname)
        FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE NOT l.lanpltrusted AND p.oid >= 16384 AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                AND d.objid = p.oid AND d.deptype = 'e')),
owners AS (
    SELECT datdba AS owner FROM pg_database WHERE datname = current_database()
    UNION SELECT nspowner FROM pg_namespace n WHERE n.oid >= 16384
    UNION SELECT defaclrole FROM pg_default_acl
    UNION SELECT o.owner FROM (
        SELECT 'pg_class'::regclass AS classid, oid, relowner AS owner, relnamespace FROM pg_class
        UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, pronamespace FROM pg_proc
        UNION ALL SELECT 'pg_type'::regclass, oid, typowner, typnamespace FROM pg_type) o
        WHERE o.oid >= 16384 AND o.relnamespace <> 'pg_toast'::regnamespace AND NOT EXISTS (
            SELECT FROM pg_depend d
            WHERE d.classid = o.classid AND d.objid = o.oid AND d.deptype = 'e'))
SELECT said FROM (
    SELECT 1 AS place, format('only a superuser can restore %s, and %s isn''t one',
        string_agg(what, ', ' ORDER BY made.place, what), rolname) AS said
        FROM me, made GROUP BY rolname
    UNION ALL SELECT 2, format('%s may not create databases (CREATEDB)', rolname)
        FROM me WHERE NOT rolcreatedb
    UNION ALL SELECT 3, format('%s may not end the sessions of others (pg_signal_backend)', rolname)
        FROM me WHERE NOT pg_has_role(rolname, 'pg_signal_backend', 'MEMBER')
    UNION ALL SELECT 4, format('%s is no member of %s, who owns what is restored', rolname,
        string_agg(pg_get_userbyid(owner), ', ' ORDER BY pg_get_userbyid(owner)))
        FROM me, owners WHERE NOT pg_has_role(rolname, owner, 'MEMBER') GROUP BY rolname
) said ORDER BY place
"""
"""A row for each thing that is lacking: its sentence."""
