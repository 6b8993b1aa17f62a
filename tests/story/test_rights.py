"""What the console's role couldn't restore is said as soon as the window is open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from optibid_console.entries import Outcome
from tests.crash.attached import Attached
from tests.servers.postgres import PostgresServer
from tests.story.stage import Stage, step

pytestmark = [pytest.mark.server("postgis"), pytest.mark.server("sshd")]

NEEDS_SUPERUSER = (
    "only a superuser can restore the extension postgis, the function loud() (internal), "
    "and deploy isn't one"
)


@pytest.fixture
def deploy(cluster: PostgresServer) -> Iterator[str]:
    """A role that may read everything, and no more."""
    cluster.execute(f"CREATE ROLE deploy LOGIN PASSWORD '{cluster.password}'")
    cluster.execute("GRANT pg_read_all_data TO deploy")
    yield "deploy"
    for one in ("optibid", "small"):
        cluster.execute("REASSIGN OWNED BY deploy TO postgres; DROP OWNED BY deploy", one)
    cluster.execute("DROP ROLE deploy")


def knows_its_rights(screen: Attached) -> bool:
    known = screen.state.databases.get("optibid")
    return known is not None and bool(known.lacking)


async def test_a_role_that_can_not_restore_is_told_before_and_with_the_backup(
    cluster: PostgresServer, stage: Stage, deploy: str
) -> None:
    stage.take_database("small")
    stage.sql("GRANT CONNECT ON DATABASE optibid TO deploy")
    stage.sql("CREATE FUNCTION loud() RETURNS text LANGUAGE internal AS 'pg_backend_pid'")
    stage.configure(role=deploy)
    async with stage.played() as screen:
        await screen.until(knows_its_rights)
        lacking = screen.state.databases["optibid"].lacking
        assert lacking == (
            NEEDS_SUPERUSER,
            "deploy may not create databases (CREATEDB)",
            "deploy may not end the sessions of others (pg_signal_backend)",
            "deploy is no member of keeper, postgres, who owns what is restored",
        )
        await screen.until(
            lambda one: f"optibid: {lacking[0]}" in one.state.readiness["rollback"].missing
        )
        ended = await step(screen, "1a")
        assert ended.outcome is Outcome.FAILED  # row level security hides rows from this role
        cluster.execute("ALTER ROLE deploy BYPASSRLS CREATEDB")
        cluster.execute("GRANT pg_signal_backend, keeper, postgres TO deploy")
        ended = await step(screen, "1a")
        assert ended.outcome is Outcome.SUCCEEDED, ended.reason
        assert ended.reason.endswith(f"; but it can't be restored: {NEEDS_SUPERUSER}")
        assert screen.state.databases["optibid"].lacking == (NEEDS_SUPERUSER,)
    cluster.execute("ALTER ROLE deploy SUPERUSER")
    async with stage.played() as screen:  # an engine that starts looks anew
        await screen.until(lambda one: not one.state.databases["optibid"].lacking)
        await screen.until(
            lambda one: not any("superuser" in it for it in one.state.readiness["rollback"].missing)
        )
