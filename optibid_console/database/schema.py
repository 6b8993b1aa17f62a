"""What a schema has, object by object, and one hash over it all.

Names, never oids, and PostgreSQL's own deparsing with an empty search path: a database that
was dumped and restored gives the same lines. What belongs to an extension is the extension's,
and TimescaleDB's chunks come and go with the data: both are left out. So are the versions of
extensions, because a dump doesn't carry them. (PostgreSQL manual, 53 System Catalogs.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from probes.text import one_line

_NAME = "CASE WHEN n.nspname = 'public' THEN '' ELSE format('%I.', n.nspname) END"
_OURS = r"n.nspname !~ '^(pg_|information_schema$|_timescaledb_)'"


def _free(table: str, alias: str) -> str:
    """That an object is no extension's."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{table}'::regclass"
        f" AND d.objid = {alias}.oid AND d.deptype = 'e')"
    )


_RELATION = f"{_OURS} AND {_free('pg_class', 'c')}"
_OF_RELATION = "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
_GRANTED = """string_agg(CASE x.grantee WHEN 0 THEN 'public' ELSE x.grantee::regrole::text END
    || ' ' || lower(x.privilege_type) || CASE WHEN x.is_grantable THEN ' with grant option'
    ELSE '' END, ', ' ORDER BY x.grantee::regrole::text, x.privilege_type)"""

_PARTS: tuple[str, ...] = (
    "SELECT 'extension ' || extname, '' FROM pg_extension",
    f"""SELECT format('schema %I', n.nspname), 'owner ' || n.nspowner::regrole
        FROM pg_namespace n WHERE {_OURS} AND {_free("pg_namespace", "n")}""",
    f"""SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
            WHEN 'f' THEN 'foreign table ' ELSE 'table ' END || {_NAME} || format('%I', c.relname),
        concat_ws(' ', 'owner ' || c.relowner::regrole,
            CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
            CASE WHEN c.relrowsecurity THEN 'row security' END,
            CASE WHEN c.relkind = 'p' THEN 'partition by ' || pg_get_partkeydef(c.oid) END,
            CASE WHEN c.relispartition THEN 'partition ' || pg_get_expr(c.relpartbound, c.oid) END,
            CASE WHEN c.relkind IN ('v', 'm') THEN 'md5 ' || md5(pg_get_viewdef(c.oid)) END)
        FROM {_OF_RELATION} WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND {_RELATION}""",
    f"""SELECT 'column ' || {_NAME} || format('%I.%I', c.relname, a.attname),
        concat_ws(' ', format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN 'not null' END,
            CASE WHEN a.attgenerated <> '' THEN 'generated' ELSE CASE
                WHEN f.adbin IS NOT NULL THEN 'default' END END,
            pg_get_expr(f.adbin, f.adrelid),
            CASE a.attidentity WHEN 'a' THEN 'identity' WHEN 'd' THEN 'identity by default' END,
            CASE WHEN a.attcollation <> t.typcollation
                THEN 'collate ' || a.attcollation::regcollation END)
        FROM {_OF_RELATION} JOIN pg_attribute a ON a.attrelid = c.oid
            JOIN pg_type t ON t.oid = a.atttypid
            LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum
        WHERE c.relkind IN ('r', 'p', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped
            AND {_RELATION}""",
    f"""SELECT 'index ' || {_NAME} || format('%I', c.relname),
            pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_class r ON r.oid = i.indrelid AND r.relkind IN ('r', 'p', 'm')
        WHERE {_OURS} AND {_free("pg_class", "r")}""",
    f"""SELECT 'constraint ' || {_NAME}
            || format('%I.%I', coalesce(c.relname, t.typname, ''), o.conname),
            pg_get_constraintdef(o.oid)
        FROM pg_constraint o JOIN pg_namespace n ON n.oid = o.connamespace
            LEFT JOIN pg_class c ON c.oid = o.conrelid LEFT JOIN pg_type t ON t.oid = o.contypid
        WHERE o.contype <> 'n' AND {_OURS} AND (c.oid IS NULL OR {_free("pg_class", "c")})
            AND {_free("pg_constraint", "o")}
            AND (o.contypid = 0 OR NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e'
                AND d.classid = 'pg_type'::regclass AND d.objid = o.contypid))""",
    f"""SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' WHEN 'a' THEN 'aggregate '
            ELSE 'function ' END || {_NAME}
            || format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
        concat_ws(' ', 'returns ' || pg_get_function_result(p.oid), 'owner ' || p.proowner::regrole,
            CASE WHEN p.prokind <> 'a' THEN 'md5 ' || md5(pg_get_functiondef(p.oid)) END)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {_OURS} AND {_free("pg_proc", "p")}""",
    f"""SELECT 'sequence ' || {_NAME} || format('%I', c.relname),
        format('owner %s %s start %s increment %s from %s to %s cache %s%s', c.relowner::regrole,
            format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax,
            s.seqcache, CASE WHEN s.seqcycle THEN ' cycle' ELSE '' END)
        FROM {_OF_RELATION} JOIN pg_sequence s ON s.seqrelid = c.oid WHERE {_RELATION}""",
    f"""SELECT 'trigger ' || {_NAME} || format('%I.%I', c.relname, g.tgname),
            pg_get_triggerdef(g.oid)
                || CASE g.tgenabled WHEN 'O' THEN '' ELSE ' ' || g.tgenabled::text END
        FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT g.tgisinternal AND {_RELATION}""",
    f"""SELECT 'policy ' || {_NAME} || format('%I.%I', c.relname, y.polname),
        concat_ws(' ', 'for', y.polcmd::text, 'using ' || pg_get_expr(y.polqual, y.polrelid),
            'check ' || pg_get_expr(y.polwithcheck, y.polrelid), 'to ' || ARRAY(
            SELECT CASE r WHEN 0 THEN 'public' ELSE r::regrole::text END FROM unnest(y.polroles) r
            ORDER BY 1)::text)
        FROM pg_policy y JOIN pg_class c ON c.oid = y.polrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_RELATION}""",
    f"""SELECT 'type ' || {_NAME} || format('%I', t.typname), CASE t.typtype
            WHEN 'e' THEN 'enum ' || (SELECT string_agg(quote_literal(l.enumlabel), ', '
                ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid)
            WHEN 'd' THEN concat_ws(' ', 'domain of', format_type(t.typbasetype, t.typtypmod),
                CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault)
            WHEN 'r' THEN 'range' ELSE 'composite' END
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
            LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
            AND {_OURS} AND {_free("pg_type", "t")}""",
    f"""SELECT 'grant on ' || {_NAME} || format('%I', c.relname), {_GRANTED}
        FROM {_OF_RELATION}, aclexplode(c.relacl) x
        WHERE x.grantee <> c.relowner AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
            AND {_RELATION} GROUP BY 1""",
    f"""SELECT 'grant on column ' || {_NAME} || format('%I.%I', c.relname, a.attname), {_GRANTED}
        FROM {_OF_RELATION} JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x
        WHERE NOT a.attisdropped AND {_RELATION} GROUP BY 1""",
    f"""SELECT 'grant on function ' || {_NAME}
            || format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)), {_GRANTED}
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl) x
        WHERE x.grantee <> p.proowner AND {_OURS} AND {_free("pg_proc", "p")} GROUP BY 1""",
    f"""SELECT format('grant on schema %I', n.nspname), {_GRANTED}
        FROM pg_namespace n, aclexplode(n.nspacl) x
        WHERE x.grantee <> n.nspowner AND {_OURS} AND {_free("pg_namespace", "n")} GROUP BY 1""",
)

SCHEMA = "\nUNION ALL\n".join(_PARTS)
"""One query: pairs of an object's name and what it is. Run it with an empty `search_path`."""

MOST_OBJECTS = 5_000
"""So many are kept in the journal, name by name; of more only the hash."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema: its hash, and its objects by name."""

    fingerprint: str
    """SHA-256 over all objects, in hexadecimal."""
    objects: Mapping[str, str] = field(default_factory=dict)
    """`column bids.price` → `numeric(10,2) not null`. Empty when there are too many."""


def schema_of(rows: Iterable[tuple[object, object]]) -> Schema:
    """The schema that the rows of `SCHEMA` describe."""
    objects = {str(name): str(what or "") for name, what in rows}
    lines = "".join(f"{name}\0{objects[name]}\n" for name in sorted(objects))
    digest = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
    if len(objects) > MOST_OBJECTS:
        return Schema(digest)
    return Schema(digest, {one_line(name, 300): one_line(objects[name], 500) for name in objects})


def differences(before: Schema, after: Schema) -> tuple[str, ...]:
    """What isn't as before, a line each: `+ column bids.note text`, `- index …`, `~ …: a → b`.

    One line without a name where there were too many objects to keep.
    """
    if before.fingerprint == after.fingerprint:
        return ()
    return tuple(_differences(before.objects, after.objects)) or (
        "~ the schema: it isn't as before; it has too many objects to name them",
    )


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    if not before or not after:
        return
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if was is None:
            yield f"+ {name} {now}".rstrip()
        elif now is None:
            yield f"- {name} {was}".rstrip()
        elif was != now:
            yield f"~ {name}: {was} → {now}"
