"""Whose fault a failed connection is, and names that resolve slowly, twice or never."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading

import pytest

from probes import reaching, registry
from probes.deadline import deadline, time_left_s, timeout_s
from probes.http import HttpSettings
from probes.probe import Status, take
from tests.servers.raw import FakeHost, answers, http


def certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "said so"
    return error


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ConnectionRefusedError(111, "x"), Status.FAILING, "api:80 refused the connection"),
        (ConnectionResetError(104, "x"), Status.FAILING, "closed the connection without an answer"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), Status.FAILING, "no route to host"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), Status.ERROR, "from here"),
        (OSError(errno.EMFILE, "Too many open files"), Status.ERROR, "too many open files"),
        (OSError(errno.EADDRNOTAVAIL, "x"), Status.ERROR, "from here"),
        (TimeoutError(), Status.FAILING, "no answer from api:80 within 10 s"),
        (OSError(errno.ETIMEDOUT, "x"), Status.FAILING, "no answer from api:80"),
        (socket.gaierror(socket.EAI_NONAME, "x"), Status.FAILING, "no such host name: api"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), Status.ERROR, "can't look up api"),
        (certificate(10), Status.FAILING, "has expired"),
        (certificate(9), Status.FAILING, "isn't valid yet"),
        (certificate(18), Status.FAILING, "self-signed"),
        (certificate(20), Status.FAILING, "a CA that we don't trust"),
        (certificate(62), Status.FAILING, "is for another name"),
        (certificate(99), Status.FAILING, "isn't accepted (said so)"),
        (ssl.SSLError(1, "[SSL: X] odd"), Status.FAILING, "TLS with api:80 failed"),
    ],
)
def test_each_fault_has_its_words_and_its_owner(error, status, words):
    wrapped = RuntimeError("a library's own")
    wrapped.__cause__ = ExceptionGroup("all attempts failed", [error])
    for one in (error, wrapped):
        fault = reaching.fault_of(one, "api", 80)
        assert fault is not None
        assert (fault.status, words in fault.summary) == (status, True), fault.summary


async def test_ipv6_addresses_and_names_in_any_script_are_reached(serve):
    assert await reaching.addresses(None, "::1", 80) == (("::1", 80),)
    seen: list[bytes] = []
    port = await serve(answers(http("ok"), seen=seen))
    host = FakeHost(forwards={("xn--bcher-kva.example", 80): ("127.0.0.1", port)})
    made = HttpSettings(url="http://bücher.example/health")
    probe = registry.build("http", "backend", made, host)
    assert (await take(probe, 5)).status is Status.OK
    assert b"Host: xn--bcher-kva.example\r\n" in seen[0]
    await probe.close()


def test_an_error_that_is_no_connections_is_left_alone():
    assert reaching.fault_of(ValueError("x"), "api", 80) is None


async def test_a_hanging_resolver_holds_one_thread_and_not_the_event_loop(monkeypatch):
    release, asked = threading.Event(), []

    def hang(*arguments, **options):
        asked.append(arguments)
        release.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(reaching.socket, "getaddrinfo", hang)
    made = HttpSettings(url="http://backend.example/health")
    probe = registry.build("http", "backend", made, None)
    for _ in range(3):
        reading = await take(probe, 1)
        assert reading.status is Status.ERROR
        assert reading.summary == "can't look up backend.example: no resolver answered within 1 s"
    assert len(asked) == 1
    waiting = asyncio.create_task(take(probe, 5))
    await asyncio.sleep(0)
    release.set()
    reading = await waiting
    assert reading.status is Status.ERROR
    assert "can't look up backend.example" in reading.summary
    await probe.close()


async def test_every_address_of_a_name_is_tried(serve, monkeypatch):
    port = await serve(answers(http("ok")))

    def both(name, port, **options):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("127.0.0.2", "127.0.0.1")
        ]

    monkeypatch.setattr(reaching.socket, "getaddrinfo", both)
    made = HttpSettings(url=f"http://backend.example:{port}/health")
    probe = registry.build("http", "backend", made, None)
    reading = await take(probe, 5)
    assert (reading.status, reading.summary) == (Status.OK, "200")
    await probe.close()


def test_a_probe_gives_up_before_it_is_ended():
    assert time_left_s() == timeout_s() == 10
    with deadline(2):
        assert timeout_s() == 2
        assert 1.7 < time_left_s() < 2
    with deadline(0):
        assert time_left_s() == 0
