"""The HTTP probe against servers that answer well, badly and not at all."""

from __future__ import annotations

import asyncio
import json

import pytest

from probes import registry
from probes.http import HttpProbe, HttpSettings
from probes.http_answer import HttpExpect, HttpWarn
from probes.probe import Status, take
from probes.tls import Tls
from tests.probes.services.http_reading import probe, read
from tests.servers.raw import FakeHost, answers, http


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
