"""Showing the window to observers: links, their tokens' hashes, and the listener for them."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
import time

from optibid_console import entries as e
from optibid_console.admission.listener import LimitedListener, open_listener
from optibid_console.commands import StartSharing
from optibid_console.engine.ledger import Ledger
from optibid_console.feed import certificate
from optibid_console.feed.attendance import Attendance
from optibid_console.feed.hub import Hub
from optibid_console.feed.link import (
    Link,
    joined,
    means,
    new_token,
    same_hash,
    split_address,
    token_hash,
)
from optibid_console.feed.listener import ObserverListener, Pass, Reader, listener_limits
from optibid_console.feed.snapshot import Snapshots
from optibid_console.journal.journal import JournalError
from optibid_console.source import SourceError
from probes.error_words import error_words
from probes.text import one_line

log = logging.getLogger(__name__)

_HOUR_S = 3600.0


class CannotShare(ValueError):
    """The window can't be shared like that; the message says why and what next."""


class Sharing:
    """Opens and closes the observers' listener, and says who may come in. What is kept of a
    token is its hash, in the journal: an engine that starts again knows the links."""

    def __init__(
        self, ledger: Ledger, hub: Hub, journal: Reader, attendance: Attendance | None = None
    ) -> None:
        self._ledger = ledger
        self._hub = hub
        self._journal = journal
        self._attendance = attendance or Attendance(hub)
        self._listener: ObserverListener | None = None

    async def resume(self) -> None:
        """Go on listening where an earlier engine did; says in the journal when it can't."""
        started = self._ledger.state.sharing.started
        if started is None:
            return
        try:
            fact = await self._listen(started.address, started.cert, started.plain)
        except CannotShare as error:
            await self._ledger.keep(e.SharingStopped(str(error)))
            return
        if fact != started:  # another certificate: links from before don't fit any more
            await self._ledger.keep(fact)

    async def begin(self, wanted: StartSharing, by: str) -> None:
        """`engine --serve`: listen there, unless an earlier engine's links go on. A window that is
        under way goes on without observers too: why is in the journal and in the log."""
        started = self._ledger.state.sharing.started
        if started is not None:
            if not means(wanted.address, started.address):
                log.warning("observers' links are for %s: they go on there, not at %s; stop "
                            "sharing first", started.address, wanted.address)  # fmt: skip
            return
        try:
            await self.start(wanted.address, wanted.cert, wanted.plain, by)
        except (CannotShare, JournalError) as error:
            log.warning("this window isn't shared: %s", error)
            await self._ledger.keep(e.SharingStopped(str(error)))

    async def start(self, address: str, cert: str, plain: str, by: str) -> str:
        """Listen from now on; gives the address. Raises `CannotShare`, `JournalError`."""
        try:
            if cert:
                await asyncio.to_thread(certificate.check_dates, cert)
        except SourceError as error:
            raise CannotShare(str(error)) from error
        fact = await self._listen(address, cert, plain)
        try:
            await self._ledger.record(fact, by)
        except BaseException:
            await self.close("the journal can't be written")
            raise
        return fact.address

    async def share(self, name: str, hours: float, by: str) -> str:
        """Make a link; only what is given back holds its token.

        Raises `CannotShare` when there is one for `name` that still lasts, and `JournalError`.
        """
        now, name, sharing = time.time(), name.strip(), self._ledger.state.sharing
        assert sharing.started is not None  # permit has looked
        link = sharing.links.get(name)
        if link is not None and link.expires_at > now:
            raise CannotShare(f"there is a link for {name} already: revoke it first")
        token = new_token()
        expires_at = round(now + hours * _HOUR_S, 3)
        await self._ledger.record(e.WatchShared(name, token_hash(token), expires_at), by)
        host, port = split_address(sharing.started.address)
        return Link(_reached(host), port, token, sharing.started.fingerprint).text()

    async def revoke(self, name: str, by: str) -> None:
        """Raises `JournalError`: then the link goes on."""
        await self._ledger.record(e.WatchRevoked(name), by)
        if self._listener is not None:
            await self._listener.turn_away(name, f"your link was taken back by {one_line(by, 60)}")

    async def stop(self, reason: str, by: str) -> None:
        """Raises `JournalError`: then it goes on."""
        await self._ledger.record(e.SharingStopped(reason or "told to stop"), by)
        await self.close("this window isn't shared any more")

    async def close(self, reason: str) -> None:
        """Tell all observers that it is over."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close(reason)

    async def hand_over(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.hand_over()

    def admit(self, token: str) -> Pass | str:
        """Looks at every link, whichever fits, so that the time it takes tells nothing."""
        given, found = token_hash(token), None
        for link in self._ledger.state.sharing.links.values():
            if same_hash(link.token_sha256, given):
                found = link
        if found is None:
            return "no such link: it was revoked, or is another window's"
        if found.expires_at <= time.time():
            return "this link has expired"
        return Pass(found.name, found.expires_at)

    async def _listen(self, address: str, cert: str, plain: str) -> e.SharingStarted:
        limited, context, fingerprint = await _opened(address, cert, plain)
        snapshots = Snapshots(lambda: self._ledger.state)
        listener = ObserverListener(
            self._hub, self._journal, self.admit, self._attendance, snapshots
        )
        await listener.start(limited, context)
        self._listener = listener
        host, _ = split_address(address)
        return e.SharingStarted(joined(host, limited.port), fingerprint, cert, plain)


async def check(wanted: StartSharing) -> None:
    """That a window could be shared so, before there is one. Raises `CannotShare`."""
    limited, _, _ = await _opened(wanted.address, wanted.cert, wanted.plain)
    limited.close()


async def _opened(
    address: str, cert: str, plain: str
) -> tuple[LimitedListener, ssl.SSLContext | None, str]:
    """Returns a listener, how it speaks TLS, and its certificate's fingerprint. Raises
    `CannotShare`."""
    try:
        host, port = split_address(address)
    except ValueError as error:
        raise CannotShare(str(error)) from error
    if plain and plain != host:
        raise CannotShare(f"without TLS is asked for {plain}, but the address is {host}")
    context: ssl.SSLContext | None = None
    fingerprint = ""
    try:
        if not plain:
            context, fingerprint = await asyncio.to_thread(certificate.server_context, cert)
        limited = await asyncio.to_thread(open_listener, host, port, listener_limits())
    except SourceError as error:
        raise CannotShare(str(error)) from error
    except OSError as error:
        why = error_words(error, file=False)
        raise CannotShare(f"observers can't be listened for at {address}: {why}") from error
    return limited, context, fingerprint


def _reached(host: str) -> str:
    """How others reach it: a listener on every address is found by this machine's name."""
    try:
        everywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    return socket.gethostname() if everywhere else host
