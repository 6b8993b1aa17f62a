"""HTTPS: whose certificate it is, and what is said when it isn't right."""

from __future__ import annotations

import asyncio
import datetime
import ssl

import pytest
import trustme

from probes.probe import Status
from probes.tls import Tls
from tests.probes.services.http_reading import probe, read
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
