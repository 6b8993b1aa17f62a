"""`--serve`: how a window is to be shared, checked before anything starts."""

from __future__ import annotations

import ipaddress
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from optibid_console.errors import SourceError
from optibid_console.feed.link import split_address
from probes.error_words import error_words
from probes.given_file import UnreadableFile, read_file

if TYPE_CHECKING:
    from optibid_console.commands import StartSharing


class BadServe(SourceError):
    """`--serve` and its options don't go together."""

    exit_code = 2


def wanted_sharing(options: Namespace) -> StartSharing | None:
    """What `--serve` asks for; None: nothing. Raises `BadServe`."""
    if not options.serve:
        if options.serve_cert or options.serve_plain:
            raise BadServe("--serve-cert and --serve-plain need --serve HOST:PORT")
        return None
    if getattr(options, "watch", False):
        raise BadServe("--serve shares a window that is driven: leave out --watch")
    try:
        host, _ = split_address(options.serve)
    except ValueError as error:
        raise BadServe(f"--serve: {error}") from error
    if options.serve_plain and options.serve_cert:
        raise BadServe("--serve-cert is for TLS: leave out --serve-plain")
    from optibid_console.commands import StartSharing  # without --serve nobody needs it

    return StartSharing(options.serve, _cert(options.serve_cert), _plain(host, options.serve_plain))


def _cert(given: str) -> str:
    """The whole path of a certificate that can be served with. Raises `BadServe`."""
    if not given:
        return ""
    try:
        read_file(given)
    except UnreadableFile as error:
        raise BadServe(f"--serve-cert {given}: {error_words(error, file=False)}") from error
    from optibid_console.feed.certificate import check_dates, server_context

    try:
        server_context(given)
        check_dates(given)
    except SourceError as error:
        raise BadServe(f"--serve-cert: {error_words(error)}") from error
    return str(Path(given).resolve())


def _plain(host: str, asked: str) -> str:
    if not asked:
        return ""
    if asked == "loopback" and not is_loopback(host):
        raise BadServe(
            f"--serve-plain: {host} is no loopback address, so everybody on the way could read "
            f"the feed and its token. Leave it out, or insist: --serve-plain {host}"
        )
    if asked not in ("loopback", host):
        raise BadServe(f"--serve-plain {asked}: the address to serve at is {host}")
    return host


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
