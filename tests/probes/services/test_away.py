"""No answer is no wrong answer: `away`, set where the connection fails, on real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from probes import registry
from probes.http import HttpSettings
from probes.http_answer import HttpExpect
from probes.postgres import PostgresSettings
from probes.probe import Reading, Status, take
from probes.websocket import WebSocketSettings
from tests.servers.raw import Serve, answers, hangs, http


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the request, and leaves without a word."""
    await reader.readuntil(b"\r\n\r\n")


SILENT_S = 2.0
"""How long what never answers is waited for: the probe gives up in time on a busy machine too."""


async def read(kind: str, settings: Any) -> Reading:
    probe = registry.build(kind, "p", settings, None)
    reading = await take(probe, SILENT_S)
    await probe.close()
    assert reading.status is Status.FAILING, reading.summary
    return reading


async def ask(port: int) -> Reading:
    expect = HttpExpect(status=(401, 403))
    return await read("http", HttpSettings(f"http://127.0.0.1:{port}/api/bids", expect=expect))


async def visit(port: int) -> Reading:
    return await read("websocket", WebSocketSettings(f"ws://127.0.0.1:{port}/ws", ping=True))


@pytest.mark.parametrize("probe", [ask, visit])
async def test_refused_silent_and_left_alone_is_away(serve: Serve, nobody: int, probe: Any) -> None:
    assert (await probe(nobody)).away
    assert (await probe(await serve(hangs))).away
    assert (await probe(await serve(closes))).away


@pytest.mark.parametrize(
    ("status", "away"),
    [("200 OK", False), ("404 Not Found", False), ("500 Oops", False), ("503 Busy", False),
     ("502 Bad Gateway", True), ("504 Gateway Timeout", True)],
)  # fmt: skip
async def test_an_answer_is_none_only_where_a_proxy_says_so(
    serve: Serve, status: str, away: bool
) -> None:
    port = await serve(answers(http("no", status)))
    assert (await ask(port)).away is away
    assert (await visit(port)).away is away


async def test_an_answer_that_is_cut_short_or_no_http_is_a_wrong_one(serve: Serve) -> None:
    async def stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nhal")
        await writer.drain()
        await asyncio.Event().wait()

    assert not (await ask(await serve(stalls))).away
    assert not (await ask(await serve(answers(b"what?\r\n\r\n")))).away


@pytest.mark.server("postgres")
async def test_a_database_that_is_down_is_away_and_one_that_lacks_something_is_not(
    postgres: Any, serve: Serve, nobody: int
) -> None:
    place = f"postgresql://{postgres.user}:{postgres.password}@127.0.0.1"

    async def look(port: int, dbname: str = "postgres", sql: str = "SELECT 1") -> Reading:
        return await read("postgres", PostgresSettings(url=f"{place}:{port}/{dbname}", sql=sql))

    assert not (await look(postgres.port, "nothing")).away
    assert not (await look(postgres.port, sql="SELECT 1 / 0")).away
    assert (await look(postgres.port, sql="SELECT pg_sleep(30)")).away
    assert (await look(nobody)).away
    assert (await look(await serve(hangs))).away
