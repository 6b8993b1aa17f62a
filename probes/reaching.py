"""From a host's name and port to the addresses to try, and what a failed attempt says.

The rule for every probe that connects to something: what is observed about the service
is `failing`, and the service being unreachable is an observation. Refused, unreachable,
silent, a name that doesn't exist, a certificate that users can't trust either: `failing`.
`error` is for what says nothing about the service: the link to the target that we look
from is down, the resolver doesn't answer, this machine has no network, no file
descriptors, or no right to connect, a setting can't be used.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Thread

from probes.deadline import time_left_s, timeout_s
from probes.error_words import causes
from probes.probe import Host, HostError, ProbeError, Status
from probes.text import one_line


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no answer, in a few words, and whether that is the service's doing."""

    status: Status
    summary: str
    away: bool = False
    """The service didn't answer: what it would have said isn't known."""


_lookups: dict[tuple[str, int], Future[tuple[str, ...]]] = {}
"""Lookups under way. A resolver that hangs holds one thread a name, not one a reading."""


async def addresses(host: Host | None, name: str, port: int) -> tuple[tuple[str, int], ...]:
    """Where `name:port` is, as seen from `host`: IP addresses and ports to try in order.

    Raises `socket.gaierror` for a name that doesn't resolve, and `ProbeError` when the
    host can't be reached or no resolver answers in time.
    """
    if host is not None:
        name, port = await _through(host, name, port)
    return tuple((address, port) for address in await _resolve(name, port))


_KNOCK_S = 1.0


async def seen_from(host: Host | None, name: str, port: int, error: Exception) -> Exception:
    """What `error` was as `host` sees it: refused over there, or `error` itself.

    A forward through a lost link, and to a dead service, takes the connection and closes it.
    Raises `ProbeError` when the link to `host` is what broke.
    """
    if host is None:
        return error
    await _through(host, name, port)
    try:
        async with asyncio.timeout(min(_KNOCK_S, time_left_s())):
            await host.knock(name, port)
    except HostError as broken:
        raise ProbeError(one_line(str(broken))) from broken
    except TimeoutError:
        return error
    except OSError as there:
        return there
    return error


async def _through(host: Host, name: str, port: int) -> tuple[str, int]:
    try:
        return await host.reach(name, port)
    except HostError as error:
        raise ProbeError(one_line(str(error))) from error


async def _resolve(name: str, port: int) -> tuple[str, ...]:
    try:
        return (str(ip_address(name)),)
    except ValueError:
        pass
    key = (name, port)
    lookup = _lookups.get(key)
    if lookup is None:
        lookup = _lookups[key] = Future()
        lookup.set_running_or_notify_cancel()
        lookup.add_done_callback(lambda _: _lookups.pop(key, None))
        # Not the loop's own executor: getaddrinfo can hang for half a minute, and a few
        # of those would stop everyone else's threads. Daemon: nor may it delay the exit.
        Thread(target=_look_up, args=(name, port, lookup), name="resolver", daemon=True).start()
    try:
        async with asyncio.timeout(time_left_s() * 0.95):
            return await asyncio.shield(asyncio.wrap_future(lookup))
    except TimeoutError as error:
        words = f"can't look up {name}: no resolver answered within {timeout_s():g} s"
        raise ProbeError(words) from error


def _look_up(name: str, port: int, answer: Future[tuple[str, ...]]) -> None:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        answer.set_result(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
    except UnicodeError as error:  # a label that is empty or too long (IDNA)
        answer.set_exception(socket.gaierror(socket.EAI_NONAME, str(error)))
    except OSError as error:
        answer.set_exception(error)


def fault_of(error: BaseException, name: str, port: int) -> Fault | None:
    """What a failed connection to `name:port` says; None when it isn't a connection's error."""
    chain = tuple(causes(error))
    for one in chain:  # the precise ones first, however deep a library has wrapped them
        if isinstance(one, ssl.SSLCertVerificationError):
            return Fault(Status.FAILING, _certificate(one, name))
        if isinstance(one, socket.gaierror):
            return _unresolved(one, name)
    for one in chain:
        if isinstance(one, ssl.SSLError):
            return Fault(Status.FAILING, f"TLS with {name}:{port} failed: {_ssl_reason(one)}")
        if isinstance(one, ConnectionRefusedError):
            return Fault(Status.FAILING, f"{name}:{port} refused the connection", away=True)
        if isinstance(one, ConnectionResetError | BrokenPipeError):
            words = f"{name}:{port} closed the connection without an answer"
            return Fault(Status.FAILING, words, away=True)
        if isinstance(one, TimeoutError) and one.errno is None:
            return silent(name, port)
        if isinstance(one, OSError) and one.errno is not None:
            return _os_fault(one, name, port)
    return None


def silent(name: str, port: int, stage: str = "") -> Fault:
    """Nobody answered in time; `stage` says how far it got."""
    words = f"no answer from {name}:{port} within {timeout_s():g} s"
    return Fault(Status.FAILING, f"{words}: {stage}" if stage else words, away=True)


_OURS = {
    *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
    *(errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM, errno.ENETUNREACH, errno.ENETDOWN),
}
"""Errors of connect(2) that are this machine's own trouble."""


def _os_fault(error: OSError, name: str, port: int) -> Fault:
    said = one_line(error.strerror or str(error)).lower()
    if error.errno in _OURS:
        return Fault(Status.ERROR, f"can't connect to {name}:{port} from here: {said}")
    if error.errno == errno.EHOSTUNREACH:
        return Fault(Status.FAILING, f"{name}:{port} is unreachable: {said}", away=True)
    if error.errno == errno.ETIMEDOUT:
        return silent(name, port)
    return Fault(Status.FAILING, f"connection to {name}:{port} failed: {said}", away=True)


def _unresolved(error: socket.gaierror, name: str) -> Fault:
    if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
        return Fault(Status.FAILING, f"no such host name: {name}", away=True)
    return Fault(Status.ERROR, f"can't look up {name}: {one_line(error.strerror or str(error))}")


_CERTIFICATE = {
    9: "isn't valid yet",
    10: "has expired",
    18: "is self-signed, by nobody that we trust",
    19: "comes from a CA that we don't trust",
    20: "comes from a CA that we don't trust",
    21: "comes from a CA that we don't trust",
    23: "was revoked",
    62: "is for another name",
    64: "is for another address",
}
"""X509_V_ERR_…: OpenSSL's X509_STORE_CTX_get_error(3)."""


def _certificate(error: ssl.SSLCertVerificationError, name: str) -> str:
    why = _CERTIFICATE.get(error.verify_code, "isn't accepted")
    return f"TLS: the certificate of {name} {why} ({one_line(error.verify_message, 80)})"


def _ssl_reason(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", None)  # absent from one that OpenSSL didn't raise
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return "what answers there doesn't speak TLS"
    return one_line((reason or str(error)).replace("_", " ").lower(), 80)
