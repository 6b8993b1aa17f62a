"""Servers that are slow, silent, endless or speak no HTTP."""

from __future__ import annotations

import asyncio

import pytest

from probes.probe import Status
from tests.probes.services.http_reading import probe, read
from tests.servers.raw import answers, hangs, http


async def test_silence_fails_within_the_timeout(serve):
    port = await serve(hangs)
    reading = await read(probe(port), 0.3)
    assert reading.status is Status.FAILING
    assert reading.summary == f"no answer from 127.0.0.1:{port} within 0.3 s"
    assert reading.took_ms < 2000


async def test_a_slow_drip_is_ended_and_says_how_far_it_came(serve):
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nab")
        await writer.drain()
        await asyncio.Event().wait()

    reading = await read(probe(await serve(drips)), 0.3)
    assert reading.status is Status.FAILING
    assert reading.summary.endswith(": status 200 came, then 2 bytes of an unfinished body")


async def test_half_a_body_fails(serve):
    port = await serve(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
    reading = await read(probe(port))
    assert reading.status is Status.FAILING
    assert "without sending complete message body" in reading.summary


async def test_a_gigabyte_is_cut_off_at_the_limit(serve):
    written = 0

    async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        block = b"x" * 100_000
        while written < 1_000_000_000:
            writer.write(block)
            written += len(block)
            await writer.drain()

    reading = await read(probe(await serve(floods)))
    assert reading.status is Status.FAILING
    assert reading.summary == (
        "body is longer than 1000000 bytes and was cut off there, expected at most 1000000 bytes"
    )
    assert written < 100_000_000


async def test_an_unasked_for_compressed_body_is_not_unfolded(serve):
    packed = http(b"\x1f\x8b\x08" + b"\0" * 50, headers="Content-Encoding: gzip\r\n")
    reading = await read(probe(await serve(answers(packed)), health=True))
    assert reading.status is Status.FAILING
    assert "compressed (gzip)" in reading.summary


@pytest.mark.parametrize(
    "garbage", [b"\x00\xff\x1b]0;pwned\x07 nonsense\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\r\n"]
)
async def test_garbage_is_not_an_http_answer(serve, garbage):
    reading = await read(probe(await serve(answers(garbage))))
    assert reading.status is Status.FAILING
    assert reading.summary.startswith("not an HTTP answer")


async def test_a_connection_closed_without_a_word_fails(serve):
    reading = await read(probe(await serve(answers())))
    assert reading.status is Status.FAILING
    assert "disconnected without sending a response" in reading.summary


async def test_endless_headers_fail(serve):
    port = await serve(answers(b"HTTP/1.1 200 OK\r\n", b"X-Pad: " + b"y" * 1_000_000))
    assert (await read(probe(port))).status is Status.FAILING
