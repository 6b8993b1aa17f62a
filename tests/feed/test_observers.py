"""Observers over TCP: who is let in, what they get, and that they send nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from optibid_console.commands import Abort
from optibid_console.entries import Entry
from optibid_console.feed.certificate import server_context
from optibid_console.feed.link import Link
from optibid_console.feed.messages import SUBPROTOCOL, Asked, Hello
from optibid_console.feed.observer import ObserverSource
from optibid_console.feed.reading import TurnedAway
from optibid_console.feed.wire import encode_command, encode_hello
from optibid_console.signals import LogLines, Presence
from optibid_console.source import CaughtUp, FeedDelay
from tests.feed.observing import closed_with, own_state, raw

WITHIN_S = 30


async def test_an_observer_gets_every_entry_and_signals_and_has_no_way_to_send(
    shared, watch
) -> None:
    await shared.window.notes(5)
    one = watch(shared.link())
    await one.until(lambda events: CaughtUp(5) in events)
    assert not hasattr(one.source, "send")
    await shared.window.notes(3)
    shared.window.hub.signal(LogLines("app", b"hello\n", 1))
    await one.until(lambda events: any(isinstance(event, LogLines) for event in events))
    assert one.seqs() == list(range(1, 9))
    assert one.of(Entry) == await shared.window.journal.read(0, 100)
    await one.until(lambda events: any(isinstance(event, FeedDelay) for event in events))


async def test_any_message_after_the_greeting_closes_the_connection_with_1008(shared) -> None:
    link = shared.link()
    for message in (
        encode_command(Asked(1, Abort())).decode(), b"\x00", "", encode_hello(Hello("x", "watch")),
    ):  # fmt: skip
        ws = await raw(link)
        await ws.send(encode_hello(Hello("bob", "watch", token=link.token)), text=True)
        await ws.recv()
        await ws.send(message)
        assert await closed_with(ws) == 1008
    assert shared.window.controller.leavings == []


@pytest.mark.parametrize("want", ["drive", "watch"])
async def test_who_wants_to_drive_only_watches(shared, want) -> None:
    link = shared.link()
    ws = await raw(link)
    await ws.send(
        encode_hello(Hello("eve", want, token=link.token, take_over="mine now")), text=True
    )
    assert '"welcome"' in await ws.recv()
    assert shared.window.controller.holder is None
    await ws.close()


def _never(events: list) -> bool:
    return False


async def test_a_revoked_link_turns_its_observers_away_and_no_others(shared, watch) -> None:
    one, other = watch(shared.link("one")), watch(shared.link("other"))
    for screen in (one, other):
        await screen.until(lambda events: any(isinstance(e, CaughtUp) for e in events))
    await shared.listener.turn_away("one", "your link was taken back by ann")
    with pytest.raises(TurnedAway, match=r"^your link was taken back by ann$"):
        await one.until(_never)
    await shared.window.notes(1)
    await other.until(lambda events: any(isinstance(event, Entry) for event in events))


async def test_a_link_that_expires_turns_away_who_watches(shared, watch) -> None:
    one = watch(shared.link("brief", lasts_s=1.0))
    with pytest.raises(TurnedAway, match=r"^your link has expired$"):
        await one.until(_never)


async def test_the_certificate_is_checked_before_the_token_is_sent(
    shared, tmp_path, monkeypatch
) -> None:
    link = shared.link()
    got = bytearray()

    own_state(tmp_path / "other", monkeypatch)
    context, fingerprint = server_context()
    assert fingerprint != link.fingerprint
    server = await asyncio.start_server(_handshaking(got), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    other = Link("127.0.0.1", port, link.token, link.fingerprint)
    with pytest.raises(TurnedAway, match="another certificate"):
        await anext(ObserverSource(other, "bob").events())
    server.close()
    assert b"GET / HTTP/1.1" in got
    assert link.token.encode() not in got


def _handshaking(got: bytearray):
    """A server that takes the upgrade, as somebody in between would."""
    import base64
    import hashlib

    async def serve(reader, writer) -> None:
        with suppress(OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            got.extend(head)
            key = next(
                line.split(b": ")[1] for line in head.split(b"\r\n")
                if line.lower().startswith(b"sec-websocket-key")
            )  # fmt: skip
            accept = base64.b64encode(
                hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            )
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: "
                + SUBPROTOCOL.encode() + b"\r\n\r\n"
            )  # fmt: skip
            while data := await reader.read(4096):
                got.extend(data)

    return serve


async def test_names_come_and_go_in_one_signal_for_many(shared, watch) -> None:
    heard = watch(shared.link("ops"), "ann")
    others = [watch(shared.link("sales"), f"s{i}") for i in range(5)]
    await heard.until(
        lambda _: bool(heard.of(Presence)) and len(heard.of(Presence)[-1].watching) == 6
    )
    assert heard.of(Presence)[-1].watching[0] == "ann (ops)"
    for one in others:
        await one.close()
    await heard.until(lambda _: heard.of(Presence)[-1].watching == ("ann (ops)",))
    assert len(heard.of(Presence)) < 9
