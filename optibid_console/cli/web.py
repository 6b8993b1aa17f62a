"""`watch LINK --web HOST:PORT`: the window's screens for browsers."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import signal
import socket
import ssl
import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optibid_console.cli.sharing import is_loopback
from optibid_console.cli.watching import LINK_VARIABLE, CannotWatch
from optibid_console.feed.certificate import server_context
from optibid_console.feed.link import (
    Link,
    joined,
    new_token,
    parse_link,
    split_address,
    token_hash,
)
from optibid_console.feed.link_directory import LinkDirectory
from optibid_console.feed.observer import OtherCertificate
from optibid_console.feed.reading import TurnedAway
from optibid_console.printed import say
from optibid_console.source import SourceError
from probes.error_words import error_words
from probes.given_file import UnreadableFile, read_file
from probes.text import one_line

if TYPE_CHECKING:
    from optibid_console.web.site import Listening

_UNLISTED_AT_ONCE = 4
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{len(new_token())}}}")


class BadWeb(SourceError):
    """`--web` and its options don't go together."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Address:
    """Where pages are served, and how."""

    host: str
    port: int
    tls: bool
    cert: str
    names: tuple[str, ...]
    proxies: frozenset[str] = frozenset()


def serve_pages(options: Namespace, where: str) -> int:
    """Serve pages until it is told to end; gives the exit status. Raises `SourceError`."""
    address = wanted_address(options)
    link = parse_link(where)
    try:
        import optibid_console.web.site  # noqa: F401 (only with --web: it takes 0.3 s to load)
    except ModuleNotFoundError as error:
        raise BadWeb(
            f"--web needs a package that isn't installed ({error.name}): "
            "pip install 'optibid-console[web]'"
        ) from error
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # what strangers send is no news
    child = [sys.executable, "-m", "optibid_console.cli.page_child", "--theme", options.theme]
    return asyncio.run(_serve(link, address, child + ["--ascii"] * options.ascii))


def wanted_address(options: Namespace) -> Address:
    """What `--web` asks for. Raises `BadWeb`."""
    if options.json:
        raise BadWeb("--web shows screens, --json prints lines: leave one of them out")
    try:
        host, port = split_address(options.web)
    except ValueError as error:
        raise BadWeb(f"--web: {error}") from error
    if not re.search(r":\d+$", options.web):
        raise BadWeb(f"--web {options.web}: say the port too, {joined(host, 8443)}")
    plain = options.web_plain
    if plain and plain != host:
        raise BadWeb(f"--web-plain {plain}: the address to serve at is {host}")
    if plain and options.web_cert:
        raise BadWeb("--web-cert is for TLS: leave out --web-plain")
    try:
        if options.web_cert:
            read_file(options.web_cert)
    except UnreadableFile as error:
        raise BadWeb(f"--web-cert {options.web_cert}: {error_words(error, file=False)}") from error
    tls = bool(options.web_cert) or not (plain or is_loopback(host))
    names, proxies = tuple(options.web_name), _proxies(options.web_proxy)
    return Address(host, port, tls, options.web_cert, names, proxies)


def _proxies(given: Sequence[str]) -> frozenset[str]:
    """Returns the proxies' addresses. Raises `BadWeb`."""
    from optibid_console.admission.sources import canonical

    proxies = set()
    for address in (one.strip() for text in given for one in text.split(",")):
        if not canonical(address):
            raise BadWeb(
                f"--web-proxy {one_line(address, 60) or '(nothing)'}: that is no IP address; name "
                "each proxy by the address that it connects from, as 10.0.0.7 or 10.0.0.7,fd00::7"
            )
        proxies.add(canonical(address))
    return frozenset(proxies)


class FeedDoor:
    """Says whether a token opens the window: one that is known from the window's entries by
    joining the feed with it, any other one without asking the engine about it."""

    def __init__(self, link: Link, links: LinkDirectory | None = None) -> None:
        self._link = link
        self._links = links or LinkDirectory(link)
        self._joins: dict[str, asyncio.Task[None]] = {}
        """A token's hash → who is joining with it."""
        self._unlisted = asyncio.Semaphore(_UNLISTED_AT_ONCE)

    async def admit(self, token: str) -> None:
        """Raises `NotAdmitted`, or `SourceError` when the feed can't be asked."""
        from optibid_console.web.site import NotAdmitted

        if not _TOKEN.fullmatch(token):
            raise NotAdmitted("that is no token")
        try:
            try:
                listed = await self._links.find(token)
            except OtherCertificate:
                raise
            except TurnedAway:  # this server's own link is void: only the engine can say
                async with self._unlisted:
                    await self._join(token)
                return
            if not listed:
                raise NotAdmitted("no such link")
            await self._join_once(token)
        except OtherCertificate:
            raise
        except TurnedAway as error:
            raise NotAdmitted(str(error)) from error

    def key(self, token: str) -> Mapping[str, str]:
        return {LINK_VARIABLE: replace(self._link, token=token).text()}

    async def _join_once(self, token: str) -> None:
        """One join for all who show the same token at the same time."""
        name = token_hash(token)
        if name not in self._joins:
            task = asyncio.create_task(self._join(token))
            self._joins[name] = task
            # whoever waited for it may have left
            task.add_done_callback(lambda one: one.cancelled() or one.exception())
            task.add_done_callback(lambda _: self._joins.pop(name, None))
        await asyncio.shield(self._joins[name])

    async def _join(self, token: str) -> None:
        await LinkDirectory(replace(self._link, token=token)).read(whole=False)


async def _serve(link: Link, address: Address, child: list[str]) -> int:
    from optibid_console.web.site import Site

    links = LinkDirectory(link)
    await links.read()
    if not links.window:
        raise SourceError(f"the engine at {link.address} says nothing of its window")
    title = links.window
    listening, fingerprint = await asyncio.to_thread(_listening, address)
    site = Site(FeedDoor(link, links), child, listening, title, _tell)
    try:
        await site.start()
    except OSError as error:
        why = error_words(error, file=False)
        at = joined(address.host, address.port)
        raise CannotWatch(f"pages can't be served at {at}: {why}") from error
    _say_where(address, site.port, title, fingerprint)
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, _end, ended, 128 + number)
    try:
        return await ended
    finally:
        await site.close()


def _end(ended: asyncio.Future[int], status: int) -> None:
    if not ended.done():
        ended.set_result(status)


def _listening(address: Address) -> tuple[Listening, str]:
    """Raises `SourceError` when the certificate can't be used."""
    from optibid_console.web.site import Listening

    context: ssl.SSLContext | None = None
    fingerprint = ""
    if address.tls:
        context, _ = server_context(address.cert)
        if not address.cert:
            fingerprint = _shown_fingerprint()
    names = (*address.names, *([socket.gethostname()] if _everywhere(address.host) else []))
    return Listening(address.host, address.port, context, names, address.proxies), fingerprint


def _shown_fingerprint() -> str:
    """Of the console's own certificate, as browsers show it: SHA-256 in pairs of digits."""
    import hashlib

    from optibid_console.feed.certificate import own_certificate

    pem = own_certificate().read_text()
    end = "-----END CERTIFICATE-----"
    der = ssl.PEM_cert_to_DER_cert(pem[: pem.index(end) + len(end)])
    return hashlib.sha256(der).digest().hex(":").upper()


def _say_where(address: Address, port: int, title: str, fingerprint: str) -> None:
    host = address.names[0] if address.names else address.host
    if _everywhere(host):
        host = socket.gethostname()
    url = f"{'https' if address.tls else 'http'}://{joined(host, port)}/"
    lines = [
        f"{title} in a browser: {url}",
        "Each person needs a link of their own from who drives the window, and pastes it there;",
        f"or opens {url}#TOKEN with what stands between # and @ in that link.",
    ]
    if fingerprint:
        lines += [
            "Browsers will warn: the certificate is the console's own. Its SHA-256 fingerprint is",
            fingerprint,
        ]
    say(*lines, "Ctrl-C ends it.")


def _everywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _tell(text: str) -> None:
    say(f"{time.strftime('%H:%M:%SZ', time.gmtime())} {text}", err=True)
