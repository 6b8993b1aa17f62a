"""The screens' socket: whose it is, and what somebody on it can do."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from optibid_console.commands import Accepted, Hold
from optibid_console.feed import server as server_module
from optibid_console.feed.messages import Hello
from optibid_console.feed.server import FeedServer
from optibid_console.feed.wire import encode_hello
from optibid_console.source import SourceError
from tests.feed.screen import caught_up

WITHIN_S = 60


async def raw(path: Path, *frames: str | bytes) -> ClientConnection:
    ws = await unix_connect(str(path), compression=None)
    for frame in frames:
        await ws.send(frame)
    return ws


async def to_the_end(ws: ClientConnection) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            await ws.recv()


HELLO = encode_hello(Hello("mallory", "drive")).decode()


@pytest.mark.parametrize(
    ("frames", "code", "reason"),
    [
        (["garbage"], 1002, "not JSON"),
        ([b"\x00\xff"], 1002, "not JSON"),
        (['{"hello": 9}'], 1002, "no greeting of version 1"),
        ([HELLO.replace('"after":0', '"after":99')], 1008, "the journal has 0 entries"),
        ([HELLO, "garbage"], 1008, "not JSON"),
        ([HELLO, b"\xff" * 1000], 1008, "not JSON"),
        ([HELLO, '{"id": 1, "command": {"kind": "nonsense"}}'], 1008, "no command"),
        ([HELLO, "x" * 100_000], 1009, "exceeds limit"),
        (["x" * 100_000], 1009, "exceeds limit"),
    ],
)
async def test_garbage_closes_its_sender_and_nobody_else(
    window, attach, frames, code: int, reason: str
) -> None:
    screen = attach("ann", "drive")
    await screen.until(caught_up(0))
    ws = await raw(window.path, *frames)
    with pytest.raises(ConnectionClosed) as caught:
        await to_the_end(ws)
    assert caught.value.rcvd.code == code
    assert reason in caught.value.rcvd.reason
    assert await screen.source.send(Hold("unharmed")) == Accepted(seq=1)


async def test_a_silent_or_slow_greeting_is_closed_in_time(window, monkeypatch) -> None:
    monkeypatch.setattr(server_module, "GREETING_S", 0.05)
    ws = await raw(window.path)
    await asyncio.wait_for(ws.wait_closed(), WITHIN_S)
    assert ws.close_code == 1008


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"A" * 100_000, b"PRI * HTTP/2.0\r\n\r\n"],
)
async def test_what_is_no_websocket_at_all_harms_nothing(window, attach, data: bytes) -> None:
    _, writer = await asyncio.open_unix_connection(str(window.path))
    writer.write(data)
    writer.close()
    screen = attach("ann", "drive")
    await screen.until(caught_up(0))


async def test_a_browser_is_refused(window) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        await unix_connect(str(window.path), origin="https://evil.example")


async def test_a_flood_of_commands_is_closed(window) -> None:
    command = (
        '{"id": 1, "command": {"kind": "write-note", "body": {"subject": "w", "text": "wait"}}}'
    )
    ws = await raw(window.path, HELLO, *[command] * 200)
    with pytest.raises(ConnectionClosed, match="unanswered commands"):
        await to_the_end(ws)


async def test_a_feed_without_a_controller_takes_no_command(window, tmp_path: Path) -> None:
    server = FeedServer(tmp_path / "observers.sock", window.hub, window.journal)
    await server.start()
    await window.notes(2)
    ws = await raw(tmp_path / "observers.sock", HELLO)
    seen = [await asyncio.wait_for(ws.recv(), WITHIN_S) for _ in range(5)]
    assert any('"entry"' in str(one) for one in seen)
    await ws.send('{"id": 1, "command": {"kind": "abort"}}')
    with pytest.raises(ConnectionClosed, match="takes no commands"):
        await to_the_end(ws)
    await server.close("over")


async def test_who_only_knocked_does_not_hold_up_the_end(window) -> None:
    silent = await raw(window.path)
    async with asyncio.timeout(server_module.GREETING_S / 2):
        await window.server.close("over")
    await silent.wait_closed()


async def test_the_socket_is_private_and_a_second_engine_is_refused(window) -> None:
    assert window.path.stat().st_mode & 0o777 == 0o600
    assert window.path.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(SourceError, match="already listens"):
        await FeedServer(window.path, window.hub, window.journal).start()
    assert window.path.exists()


async def test_a_stale_socket_is_replaced(window, tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = FeedServer(path, window.hub, window.journal)
    await server.start()
    await server.close("over")
    assert not path.exists()
