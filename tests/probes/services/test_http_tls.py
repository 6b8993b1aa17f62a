"""HTTPS: whose certificate it is, and what is said when it isn't right."""

from __future__ import annotations

import asyncio
import datetime
import ssl

import pytest
import trustme
from websockets.asyncio.server import serve as serve_websocket

from probes import registry
from probes.probe import Status, take
from probes.tls import Tls
from probes.websocket import WebSocketSettings
from tests.probes.services.http_reading import probe, read
from tests.probes.services.test_websocket_probe import welcomes
from tests.servers.raw import FakeHost, answers, certified, http


async def test_tls_with_a_known_ca_verifies_the_urls_own_name_through_a_host(serve, ca, ca_file):
    seen: list[bytes] = []
    port = await serve(
        answers(http("ok"), seen=seen), certified(ca.issue_cert("api.optibid.example"))
    )
    host = FakeHost(forwards={("api.optibid.example", 443): ("127.0.0.1", port)})
    url = "https://api.optibid.example/health"
    reading = await read(probe(0, host, url=url, tls=Tls(ca=ca_file)))
    assert (reading.status, reading.summary) == (Status.OK, "200")
    assert b"Host: api.optibid.example\r\n" in seen[0]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("unknown", "comes from a CA that we don't trust"),
        ("expired", "has expired"),
        ("misnamed", "is for another"),
    ],
)
async def test_each_certificate_error_has_its_own_words(serve, ca, ca_file, kind, words):
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = {
        "unknown": lambda: trustme.CA().issue_cert("127.0.0.1"),
        "expired": lambda: ca.issue_cert("127.0.0.1", not_after=past),
        "misnamed": lambda: ca.issue_cert("other.example"),
    }[kind]()
    port = await serve(answers(http("ok")), certified(certificate))
    url = f"https://127.0.0.1:{port}/"
    reading = await read(probe(0, url=url, tls=Tls(ca=ca_file)))
    assert reading.status is Status.FAILING
    assert words in reading.summary

    careless = await read(probe(0, url=url, tls=Tls(insecure=True)))
    assert (careless.status, careless.summary) == (Status.OK, "200 (certificate not checked)")


@pytest.mark.parametrize(
    ("days", "limits", "status", "words"),
    [
        (40, {}, Status.OK, "200"),
        (20, {}, Status.WARN, "certificate expires in 20 days, expected valid for 21 days"),
        (2.5, {}, Status.FAILING, "certificate expires in 2.5 days, expected valid for 3 days"),
        (20, {"warn_days": 10.0}, Status.OK, "200"),
        (20, {"warn_days": 60.0, "fail_days": 30.0}, Status.FAILING, "expected valid for 30 days"),
    ],
)
async def test_a_certificate_is_told_before_it_expires(
    serve, ca, ca_file, days, limits, status, words
):
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    context = certified(ca.issue_cert("127.0.0.1", not_after=until))
    port = await serve(answers(http("ok")), context)
    tls = Tls(ca=ca_file, **limits)
    reading = await read(probe(0, url=f"https://127.0.0.1:{port}/", tls=tls))
    assert reading.status is status
    assert words in reading.summary.replace("2.4 days", "2.5 days")
    async with serve_websocket(welcomes, "127.0.0.1", 0, ssl=context) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        settings = WebSocketSettings(url=f"wss://127.0.0.1:{port}/ws", tls=tls, first={})
        assert (await take(registry.build("websocket", "ws", settings, None), 5)).status is status


def test_limits_of_a_certificate_that_contradict_each_other_are_named():
    assert [one[0] for one in Tls(warn_days=2).problems()] == ["tls.warn_days"]
    assert [one[0] for one in Tls(fail_days=-1).problems()] == ["tls.fail_days"]


async def test_the_console_s_own_requests_can_be_told(serve):
    seen: list[bytes] = []
    port = await serve(answers(http("ok"), seen=seen))
    await read(probe(port))
    await read(probe(port, headers={"user-agent": "mine"}))
    assert b"\r\nUser-Agent: optibid-console\r\n" in seen[0]
    assert seen[1].lower().count(b"user-agent:") == 1
    assert b"\r\nUser-Agent: mine\r\n" in seen[1]


async def test_plain_http_where_tls_was_expected(serve):
    port = await serve(answers(http("ok")))

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    port = await serve(plain)
    reading = await read(probe(0, url=f"https://127.0.0.1:{port}/"))
    assert reading.status is Status.FAILING
    assert "doesn't speak TLS" in reading.summary


async def test_a_client_certificate_is_shown(serve, ca, ca_file, tmp_path):
    context = certified(ca.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    port = await serve(answers(http("ok")), context)
    mine = tmp_path / "client.pem"
    ca.issue_cert("console").private_key_and_cert_chain_pem.write_to_path(str(mine))
    url = f"https://127.0.0.1:{port}/"
    assert (await read(probe(0, url=url, tls=Tls(ca=ca_file, cert=str(mine))))).status is Status.OK
    assert (await read(probe(0, url=url, tls=Tls(ca=ca_file)))).status is Status.FAILING
    absent = await read(probe(0, url=url, tls=Tls(ca=str(tmp_path / "none.pem"))))
    assert (absent.status, "none.pem" in absent.summary) == (Status.ERROR, True)
