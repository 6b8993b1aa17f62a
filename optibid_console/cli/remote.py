"""`attach ssh://HOST/…`: an engine on another machine, reached through SSH."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from optibid_console.runbook.model import Runbook, TargetSpec, Window
from optibid_console.source import SourceError
from optibid_console.targets import open_targets
from optibid_console.targets.target import LinkState
from probes.probe import HostError
from probes.text import one_line

ASK = 'PATH="$HOME/.local/bin:$PATH" exec optibid-console status --json --all'
"""pipx puts the command where a shell that isn't interactive doesn't look."""
ASK_S = 20.0


class BadAddress(SourceError):
    """Not an `ssh://` address that can be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Address:
    """`ssh://[USER@]HOST[:PORT]/[JOURNAL]`."""

    host: str
    port: int
    """0: as `~/.ssh/config` says, else 22."""
    user: str
    journal: str
    """Empty: the one that runs."""


class RemoteEngine:
    """Finds the engine there and a way to its socket, again after each lost connection."""

    def __init__(self, where: str) -> None:
        self._address = parse_address(where)
        self.host = self._address.host
        spec = TargetSpec(
            self.host, host=self.host, port=self._address.port, user=self._address.user
        )
        runbook = Runbook(Window(self.host, ""), targets={self.host: spec})
        self._target = open_targets(runbook, _quiet)[self.host]

    async def dial(self) -> Path:
        """A socket here that leads to the engine there. Raises `SourceError`."""
        try:
            asked = await self._target.execute(ASK, timeout_s=ASK_S)
            if asked.exit_status != 0:
                said = one_line(asked.stderr or asked.stdout, 200)
                raise SourceError(
                    f"{self.host}: `optibid-console status` fails there: {said or 'no word'}; "
                    "is it installed for that user?"
                )
            socket = choose(asked.stdout, self._address)
            return Path(await self._target.reach_socket(socket))
        except HostError as error:
            raise SourceError(str(error)) from error
        except TimeoutError as error:
            raise SourceError(
                f"{self.host}: `optibid-console status` gave no answer within {ASK_S:g} s"
            ) from error

    async def close(self) -> None:
        await self._target.close()


def parse_address(where: str) -> Address:
    """Raises `BadAddress`."""
    try:
        parts: SplitResult = urlsplit(where)
        port = parts.port or 0
    except ValueError as error:
        raise BadAddress(f"{one_line(where)}: {error}") from error
    if parts.scheme != "ssh" or not parts.hostname or parts.hostname.startswith("-"):
        raise BadAddress(f"{one_line(where)}: an address is ssh://[USER@]HOST[:PORT]/[JOURNAL]")
    if parts.password is not None:
        raise BadAddress(f"ssh://{parts.hostname}: no password in an address; use a key or agent")
    journal = unquote(parts.path)
    return Address(parts.hostname, port, parts.username or "", "" if journal == "/" else journal)


def choose(answer: bytes, address: Address) -> str:
    """The socket of the engine that is meant, from what `status --json --all` said there.

    Raises `SourceError`.
    """
    try:
        engines = [one["engine"] for one in json.loads(answer)]
        sockets = {str(one["journal"]): str(one["socket"]) for one in engines}
    except (ValueError, TypeError, KeyError) as error:
        raise SourceError(
            f"{address.host}: what `optibid-console status` says there can't be read: "
            f"{one_line(answer, 100)}"
        ) from error
    if address.journal:
        if address.journal in sockets:
            return sockets[address.journal]
        raise SourceError(f"{address.host}: no engine runs the window in {address.journal}")
    if not sockets:
        raise SourceError(f"{address.host}: no window runs there")
    if len(sockets) > 1:
        listed = "".join(
            f"\n  optibid-console attach ssh://{address.host}{one_line(one, 200)}"
            for one in sockets
        )
        raise SourceError(f"{address.host}: {len(sockets)} windows run there; say which:{listed}")
    return next(iter(sockets.values()))


def _quiet(state: LinkState) -> None:
    """The screen shows that its feed is lost; why comes with the error."""
