"""What the story compares a database by: each of these small changes has to show."""

from __future__ import annotations

import pytest

from tests.servers.postgres import PostgresServer
from tests.story.portrait import differences
from tests.story.stage import Stage

pytestmark = pytest.mark.server("postgis")

CHANGES = {
    '"public"."bids"': "UPDATE bids SET price = price + 0.01 WHERE id = 7",
    '"public"."audit_logs"': r"UPDATE audit_logs SET raw = '\x00ff1c' WHERE raw IS NOT NULL",
    '"market"."prices_pjm"': "DELETE FROM market.prices WHERE at = '2026-01-01 00:00:02Z'",
    "sequences": "SELECT nextval('bid_numbers')",
    "extensions": "COMMENT ON EXTENSION hstore IS 'tags'",
    "owners": "ALTER FUNCTION noted() OWNER TO postgres",
    "grants": "REVOKE GRANT OPTION FOR UPDATE (note) ON bids FROM reader",
    "default privileges": "ALTER DEFAULT PRIVILEGES FOR ROLE keeper IN SCHEMA market"
    " REVOKE SELECT ON TABLES FROM reader",
    "comments": "COMMENT ON COLUMN bids.price IS 'per MWh'",
    "large objects": r"SELECT lo_put(4711, 3, '\x00')",
    "the database": "COMMENT ON DATABASE optibid IS 'bids'",
    "settings": "ALTER DATABASE optibid SET work_mem = '6MB'",
    "schema": "ALTER VIEW dear_bids RESET (security_barrier)",
}


def test_each_small_change_of_a_database_shows_where_it_is(stage: Stage) -> None:
    stage.take_database("small")
    before = stage.portrait()
    for name, change in CHANGES.items():
        stage.sql(change)
        after = stage.portrait()
        assert name in differences(before, after), change
        before = after


def test_two_copies_of_a_database_are_the_same(cluster: PostgresServer, stage: Stage) -> None:
    stage.take_database("small")
    before = stage.portrait()
    stage.take_database("small")
    assert differences(before, stage.portrait()) == []
