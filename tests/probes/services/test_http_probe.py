"""The HTTP probe against servers that answer well, badly and not at all."""

from __future__ import annotations

import asyncio
import datetime
import json
import ssl

import pytest
import trustme

from probes import registry
from probes.http import HttpProbe, HttpSettings
from probes.http_answer import HttpExpect, HttpWarn
from probes.probe import Probe, Status, take
from probes.tls import Tls
from tests.servers.raw import FakeHost, answers, certified, hangs, http


def probe(port: int, host=None, *, path: str = "/health", url: str = "", **settings) -> Probe:
    made = HttpSettings(url=url or f"http://127.0.0.1:{port}{path}", **settings)
    return registry.build("http", "backend", made, host)


async def read(probe: Probe, timeout_s: float = 5):
    reading = await take(probe, timeout_s)
    await probe.close()
    assert "\n" not in reading.summary
    assert "\x1b" not in reading.summary
    return reading


async def test_a_good_answer_is_ok_with_its_latency(serve):
    reading = await read(probe(await serve(answers(http("hello")))))
    assert (reading.status, reading.summary, reading.unit) == (Status.OK, "200", "ms")
    assert reading.value is not None
    assert 0 < reading.value <= reading.took_ms


@pytest.mark.parametrize(
    ("body", "status", "summary"),
    [
        ({"status": "healthy", "services": {"database": "connected"}}, Status.OK, "200 healthy"),
        (
            {"status": "degraded", "services": {"redis": {"status": "down"}, "db": "ok"}},
            Status.WARN,
            'status "degraded", not well: redis, expected "healthy" (+1 more)',
        ),
        (
            {"status": "error", "error": "pool\n\x1b[31mexhausted"},
            Status.FAILING,
            'status "error" ("pool\\n\\u001b[31mexhausted"), expected "healthy"',
        ),
        ({"status": True}, Status.FAILING, 'status true, expected "healthy"'),
        ({}, Status.FAILING, 'status missing, expected "healthy"'),
        ([1], Status.FAILING, 'status missing, expected "healthy"'),
    ],
)
async def test_health_is_what_the_body_says_not_the_status_code(serve, body, status, summary):
    port = await serve(answers(http(json.dumps(body))))
    reading = await read(probe(port, health=True))
    assert (reading.status, reading.summary) == (status, summary)


@pytest.mark.parametrize("body", ["", "<html>", '{"status": "heal', "[" * 100_000])
async def test_a_health_body_that_cannot_be_read_fails(serve, body):
    reading = await read(probe(await serve(answers(http(body))), health=True))
    assert reading.status is Status.FAILING
    assert "expected JSON" in reading.summary


async def test_a_host_header_of_its_own_is_sent_and_a_wrong_one_is_told(serve):
    seen: list[bytes] = []
    port = await serve(answers(http("ok"), seen=seen))
    assert (await read(probe(port, headers={"host": "api.optibid.example"}))).status is Status.OK
    assert seen[0].count(b"ost: ") == 1
    assert b"Host: api.optibid.example\r\n" in seen[0]

    port = await serve(answers(http("Invalid host header", "400 Bad Request")))
    reading = await read(probe(port))
    assert reading.status is Status.FAILING
    assert reading.summary == 'HTTP status 400 "Invalid host header", expected 2xx'


async def test_expectations_on_json_headers_text_and_status(serve):
    body = json.dumps({"status": "busy", "queue": {"depth": 12}, "zones": ["PJM"]})
    port = await serve(answers(http(body, "202 Accepted", "X-Release: v2.4.0\r\n")))
    good = HttpExpect(
        status=(200, 202),
        headers={"x-release": {"matches": r"^v2\."}},
        json={"queue": {"depth": {"at_most": 12}}, "zones.0": {"one_of": ["PJM", "ERCOT"]}},
        text="zones",
    )
    assert (await read(probe(port, expect=good))).status is Status.OK
    bad = HttpExpect(status=200, headers={"X-None": "1"}, json={"queue.depth": {"at_most": 11}})
    reading = await read(probe(port, expect=bad))
    assert reading.status is Status.FAILING
    assert reading.summary == (
        'HTTP status 202 "{"status": "busy", "queue": {"depth": 12}, "zones": ["PJM"]}"'
        ", expected 200 (+2 more)"
    )
    assert reading.detail["queue.depth"] == "12 (failing: expected at most 11)"
    assert reading.detail["header X-None"] == 'missing (failing: expected "1")'


async def test_a_warning_softens_only_the_path_that_it_names(serve):
    port = await serve(answers(http('{"status": "degraded", "db": "down"}')))
    warn = HttpWarn(json={"status": "degraded"})
    mild = await read(probe(port, expect=HttpExpect(json={"status": "healthy"}), warn=warn))
    assert (mild.status, mild.summary) == (
        Status.WARN,
        'status "degraded", expected "healthy"',
    )
    both = HttpExpect(json={"status": "healthy", "db": "up"})
    reading = await read(probe(port, expect=both, warn=warn))
    assert (reading.status, reading.summary) == (Status.FAILING, 'db "down", expected "up"')


async def test_a_slow_answer_warns_then_fails(serve):
    port = await serve(answers(http("ok")))
    assert (await read(probe(port, expect=HttpExpect(warn_ms=0)))).status is Status.WARN
    reading = await read(probe(port, expect=HttpExpect(warn_ms=0, max_ms=0)))
    assert reading.status is Status.FAILING
    assert "latency" in reading.summary


async def test_refused_is_the_services_doing(nobody):
    reading = await read(probe(nobody))
    assert (reading.status, reading.summary) == (
        Status.FAILING,
        f"127.0.0.1:{nobody} refused the connection",
    )


async def test_a_name_that_does_not_exist_is_told():
    reading = await read(probe(0, url="http://backend.invalid/health"))
    assert "backend.invalid" in reading.summary
    assert reading.status in (Status.FAILING, Status.ERROR)  # as the resolver here answers
    assert "look up" in reading.summary or "no such host name" in reading.summary


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


async def test_a_redirect_is_followed_only_when_asked_and_keeps_secrets_at_home(serve):
    seen: list[bytes] = []
    there = await serve(answers(http("there"), seen=seen))
    moved = http("", "302 Found", f"Location: http://127.0.0.1:{there}/x\r\n")
    port = await serve(answers(moved))
    reading = await read(probe(port))
    assert reading.status is Status.FAILING
    assert f"302 to http://127.0.0.1:{there}/x" in reading.summary
    headers = {"Authorization": "Bearer sesame", "X-Kept": "1"}
    reading = await read(probe(port, follow_redirects=True, headers=headers))
    assert reading.status is Status.OK
    assert b"sesame" not in seen[0]
    assert b"X-Kept: 1" in seen[0]


async def test_a_redirect_in_a_circle_ends(serve):
    port = await serve(answers(http("", "302 Found", "Location: /health\r\n")))
    reading = await read(probe(port, follow_redirects=True))
    assert (reading.status, "302" in reading.summary) == (Status.FAILING, True)


async def test_a_table_is_sent_as_json(serve):
    seen: list[bytes] = []
    port = await serve(answers(http("ok"), seen=seen))
    await read(probe(port, method="POST", body={"zone": "PJM"}))
    assert seen[0].startswith(b"POST /health HTTP/1.1")
    assert b"Content-Type: application/json" in seen[0]


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


async def test_a_lost_link_is_an_error_and_not_the_services_fault(nobody):
    host = FakeHost(lost=True)
    reading = await read(probe(nobody, host))
    assert (reading.status, reading.summary) == (Status.ERROR, "app-1: connection lost")

    class Breaks(FakeHost):
        """Loses its link between connecting and the answer."""

        async def reach(self, host: str, port: int) -> tuple[str, int]:
            address = await super().reach(host, port)
            self.lost = True
            return address

    reading = await read(probe(nobody, Breaks()))
    assert (reading.status, reading.summary) == (Status.ERROR, "app-1: connection lost")


async def test_the_next_reading_is_right_again_after_each_failure(serve):
    script = [http("no", "500 Internal Server Error"), b"garbage\r\n\r\n", http("ok")]

    async def scripted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(script.pop(0))
        await writer.drain()

    one = probe(await serve(scripted))
    said = [(await take(one, 5)).status for _ in range(3)]
    await one.close()
    assert said == [Status.FAILING, Status.FAILING, Status.OK]


def test_bad_settings_are_named():
    settings = HttpSettings(
        url="localhost:8000",
        expect=HttpExpect(json={"a": {"at_least": "x"}}, text="("),
        tls=Tls(key="k.pem"),
        max_bytes=0,
    )
    assert [key for key, _ in settings.problems()] == [
        "url", "expect.json.a", "expect.text", "max_bytes", "tls.key",
    ]  # fmt: skip
    assert list(HttpSettings(url="http://${HOST}/").problems()) == []
    assert HttpProbe.Settings is registry.settings_class("http")
