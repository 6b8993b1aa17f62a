"""A team's journal on a real PostgreSQL: databases with its schema, made from a template."""

from __future__ import annotations

import itertools
import os
from contextlib import closing
from typing import Any

import psycopg

from optibid_console.journal import postgres_link, postgres_schema
from optibid_console.journal_place import Address
from tests.servers.postgres import PostgresServer

_counted = itertools.count(1)


class Team:
    """One database with a journal's schema, and who may come to it. PGPASSWORD opens it."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = 'team_template'"):
            _make_template(server)
        self.dbname = f"team_{next(_counted)}"
        server.execute(f"CREATE DATABASE {self.dbname} TEMPLATE team_template")
        server.execute(
            f"GRANT CONNECT ON DATABASE {self.dbname} TO optibid_operator, optibid_observer"
        )

    def address(self, user: str = postgres_schema.OPERATOR, window: str = "one") -> Address:
        return Address(self.server.host, self.server.port, self.dbname, user, window)

    @property
    def observer(self) -> Address:
        return self.address(postgres_schema.OBSERVER)

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.dbname)

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """As the superuser, without triggers: what a database's administrator can do."""
        with closing(psycopg.connect(self.dsn, autocommit=True)) as db:
            db.execute("SET session_replication_role = replica")
            db.execute("SET search_path = optibid_console")
            cursor = db.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def remove(self) -> None:
        self.server.execute(f"DROP DATABASE IF EXISTS {self.dbname} WITH (FORCE)")


def _make_template(server: PostgresServer) -> None:
    server.execute("CREATE DATABASE team_template TEMPLATE template0 ENCODING 'UTF8'")
    address = Address(server.host, server.port, "team_template", server.user)
    os.environ.setdefault("PGPASSWORD", server.password)
    with closing(postgres_link.connect_any(address, writable=True)) as db:
        postgres_schema.init(db, address)
    for role in (postgres_schema.OPERATOR, postgres_schema.OBSERVER):
        server.execute(f"ALTER ROLE {role} PASSWORD '{server.password}'")
