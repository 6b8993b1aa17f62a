"""The demo's releases, over real SSH: migrate, deploy, watch it go wrong, restore."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import psycopg
import pytest

from optibid_console.demo.fingerprint import Fingerprint, differences, take_fingerprint
from optibid_console.demo.place import MIGRATION, NEXT, PREVIOUS, PUBLIC_NAME
from optibid_console.demo.processes import wait_until
from optibid_console.demo.stack import Stack

Run = Callable[..., Any]


@pytest.fixture
async def run(changing_stack: Stack, connect: Callable[[Stack], Any]) -> Any:
    """Runs a shell text on app-1, and gives its status and what it said."""
    async with connect(changing_stack) as connection:

        async def run_there(command: str) -> tuple[int, str]:
            done = await connection.run(command, timeout=60)
            return done.exit_status, done.stdout + done.stderr

        yield run_there


@pytest.fixture(scope="module")
def before(changing_stack: Stack) -> Fingerprint:
    return take_fingerprint(changing_stack.database_url)


def scrape(stack: Stack) -> Mapping[str, float]:
    page = httpx.get(
        f"http://127.0.0.1:{stack.ports.backend}/metrics",
        headers={"Host": PUBLIC_NAME},
        trust_env=False,
    ).text
    samples = re.findall(r"(?m)^(\w+(?:\{[^}]*\})?) (\S+)$", page)
    return {name: float(value) for name, value in samples}


def failed_requests(stack: Stack) -> float:
    return sum(
        value
        for name, value in scrape(stack).items()
        if name.startswith("http_requests_total") and 'status="500"' in name
    )


async def test_a_migration_that_is_missing_is_named(run: Run, before: Fingerprint) -> None:
    status, said = await run(f"bin/migrate verify {NEXT}")
    assert (status, said) == (1, "✗ 004_market_prices is not applied\n")
    assert MIGRATION not in before.migrations


async def test_migrating_changes_the_database_once(
    run: Run, changing_stack: Stack, before: Fingerprint
) -> None:
    status, said = await run(f"bin/migrate apply {NEXT}")
    assert status == 0, said
    assert re.search(r"^✓ 004_market_prices \d+ ms$", said, re.M)
    changed = "\n".join(differences(before, take_fingerprint(changing_stack.database_url)))
    assert "migrations: were 001, 002, 003; are 001, 002, 003, 004" in changed
    assert "table market_price_revisions: is new" in changed
    assert "table audit_logs: had 8,000 rows" in changed
    assert await run(f"bin/migrate apply {NEXT}") == (0, "✓ 004_market_prices is applied\n")
    assert (await run(f"bin/migrate verify {NEXT}"))[0] == 0


async def test_a_release_that_is_not_there_changes_nothing(run: Run, changing_stack: Stack) -> None:
    assert (await run("bin/deploy v9"))[0] == 2
    assert (await run("bin/migrate apply v9"))[0] == 2
    assert changing_stack.place.current.readlink().name == PREVIOUS


async def test_the_new_release_serves_and_then_goes_wrong(run: Run, changing_stack: Stack) -> None:
    stack = changing_stack
    assert failed_requests(stack) == 0
    assert (await run(f"bin/deploy {NEXT} && bin/backend restart"))[0] == 0
    wait_until(stack.is_healthy, 10, "the new release did not get healthy")
    assert stack.health()["version"] == NEXT
    status, said = await run("bin/backend status")
    assert status == 0
    assert said.startswith(f"backend runs, {NEXT}, pid ")
    wait_until(lambda: failed_requests(stack) > 5, 30, "no request failed")
    assert scrape(stack)["database_connection_pool_available"] < 20
    assert "QueuePool limit" in (stack.place.logs / "backend.log").read_text()
    wait_until(lambda: stack.health()["status"] == "degraded", 20, "/health stayed well")


async def test_the_previous_release_serves_again(run: Run, changing_stack: Stack) -> None:
    assert (await run(f"bin/backend stop && bin/deploy {PREVIOUS} && bin/backend start"))[0] == 0
    wait_until(changing_stack.is_healthy, 10, "the previous release did not get healthy")
    assert changing_stack.health()["version"] == PREVIOUS
    assert failed_requests(changing_stack) == 0


async def test_stopping_what_does_not_run_is_no_error(run: Run) -> None:
    assert (await run("bin/backend stop && bin/backend stop"))[0] == 0
    status, said = await run("bin/backend status")
    assert (status, said) == (3, "backend does not run\n")
    assert (await run("bin/backend start"))[0] == 0


def test_a_difference_in_one_row_is_seen(changing_stack: Stack) -> None:
    url = changing_stack.database_url
    first = take_fingerprint(url)
    assert list(differences(first, take_fingerprint(url))) == []
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE users SET role = 'viewer' WHERE id = 4")
    assert list(differences(first, take_fingerprint(url))) == [
        "table users: its 2001 rows are not the same"
    ]
