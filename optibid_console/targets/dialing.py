"""From a runbook's SSH target to an open, checked connection, through its jump hosts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.ssh_errors import NO_COMMON_KEY, Attempt, Failure, explain
from probes.error_words import error_words
from probes.given_file import UnreadableFile, check_file, home_path
from probes.text import one_line

_KEEPALIVE_S = 1.2
_KEEPALIVES_MISSED = 2
"""A dead link is seen after about 3.6 s."""
_LEAVE_S = 1.0
_NO_JUMP = ("", "none")
_USUAL_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
_FAST_CIPHERS = (b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com")


class DialError(Exception):
    """There is no connection, and why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Line:
    """An open connection and the jump hosts' connections that carry it, nearest host first."""

    connection: asyncssh.SSHClientConnection
    hops: tuple[asyncssh.SSHClientConnection, ...] = ()

    async def close(self) -> None:
        """Close all of it, without waiting for ever for a host that is silent."""
        for one in (self.connection, *reversed(self.hops)):
            one.close()
            try:
                async with asyncio.timeout(_LEAVE_S):
                    await one.wait_closed()
            except TimeoutError:
                one.abort()


@dataclass(frozen=True, slots=True)
class _Place:
    """A host to dial: the target itself or one of its jump hosts. 0 and empty: as usual."""

    host: str
    port: int = 0
    user: str = ""


async def dial(spec: TargetSpec, timeout_s: float) -> Line:
    """Connect to the target; each connection on the way gets `timeout_s`.

    Host keys are checked against known hosts files, whatever the SSH configuration says.
    Raises `DialError`.
    """
    dialer = _Dialer(spec, timeout_s, [])
    try:
        connection = await dialer.connect(_Place(spec.host, spec.port, spec.user), spec.jump)
    except BaseException:
        for one in reversed(dialer.hops):
            one.abort()
        raise
    return Line(connection, tuple(dialer.hops))


@dataclass(slots=True)
class _Dialer:
    spec: TargetSpec
    timeout_s: float
    hops: list[asyncssh.SSHClientConnection]
    """What was connected on the way."""

    async def connect(
        self,
        place: _Place,
        jump: str,
        tunnel: asyncssh.SSHClientConnection | None = None,
        before: tuple[str, ...] = (),
    ) -> asyncssh.SSHClientConnection:
        """A connection to `place`, through `tunnel`, or `jump`, or what its settings name.

        `before` are the hosts for which this one is a jump host.
        """
        settings = self._settings(place)
        options = await self._options(settings)
        if tunnel is None:
            hops = _hops(jump or str(options.tunnel or ""))
            tunnel = await self._through(hops, (*before, place.host))
        files = self._known_hosts_files(options)
        witness = _Witness(await self._known_hosts(files))
        try:
            return await asyncssh.connect(
                **settings,
                tunnel=tunnel,
                client_factory=lambda: witness,
                known_hosts=witness.match,
                encryption_algs=_fast_first(options.encryption_algs),
            )
        except (OSError, asyncssh.Error, ValueError) as error:
            if isinstance(error, NO_COMMON_KEY) and witness.trusted and not witness.offered:
                witness.offered = await self._shown_key(options, tunnel)
            attempt = Attempt(
                target=self.spec.id, host=options.host, port=options.port,
                user=options.username, timeout_s=self.timeout_s, known_hosts=tuple(files),
                trusted=witness.trusted, offered=witness.offered, methods=witness.methods,
                keys=_keys_of(options), answered=witness.answered,
                via=str(tunnel.get_extra_info("host")) if tunnel else "",
            )  # fmt: skip
            raise DialError(explain(error, attempt)) from error

    def _settings(self, place: _Place) -> dict[str, Any]:
        """What the runbook says, in asyncssh's words; the SSH configuration fills the rest."""
        given: dict[str, Any] = {"port": place.port, "username": place.user}
        if self.spec.identity:
            given["client_keys"] = [_expanded(self.spec.identity)]
        if self.spec.ssh_config:
            given["config"] = [_expanded(self.spec.ssh_config)]
        return {
            "host": place.host,
            "connect_timeout": self.timeout_s,
            "login_timeout": self.timeout_s,
            "keepalive_interval": _KEEPALIVE_S,
            "keepalive_count_max": _KEEPALIVES_MISSED,
            **{key: value for key, value in given.items() if value},
        }

    async def _options(self, settings: dict[str, Any]) -> asyncssh.SSHClientConnectionOptions:
        """What the runbook and the SSH configuration say together."""
        self._check_files()
        try:
            options: asyncssh.SSHClientConnectionOptions
            options = await asyncssh.SSHClientConnectionOptions.construct(**settings)
        except (OSError, asyncssh.Error, ValueError) as error:
            raise self._unusable("the SSH settings", error) from error
        return options

    def _check_files(self) -> None:
        """Refuse what asyncssh would wait for, as a FIFO. Raises `DialError`."""
        for named in filter(
            None, (self.spec.identity, self.spec.ssh_config, self.spec.known_hosts)
        ):
            try:
                check_file(_expanded(named))
            except UnreadableFile as error:
                raise self._unusable(named, error) from error

    async def _through(
        self, hops: list[_Place], before: tuple[str, ...]
    ) -> asyncssh.SSHClientConnection | None:
        """The connection of the last jump host, each one reached through the one before."""
        tunnel: asyncssh.SSHClientConnection | None = None
        for hop in hops:
            if hop.host in before:  # `Host *` with a ProxyJump names the jump host too
                continue
            tunnel = await self.connect(hop, "", tunnel, before)
            self.hops.append(tunnel)
        return tunnel

    def _known_hosts_files(self, options: asyncssh.SSHClientConnectionOptions) -> list[str]:
        if self.spec.known_hosts:
            return [_expanded(self.spec.known_hosts)]
        named = options.known_hosts if isinstance(options.known_hosts, list) else []
        paths = [Path(str(one)).expanduser() for one in named or _USUAL_KNOWN_HOSTS]
        return [str(path) for path in paths if path.is_file()]

    async def _known_hosts(self, files: list[str]) -> asyncssh.SSHKnownHosts:
        try:
            return await asyncio.to_thread(asyncssh.read_known_hosts, files)
        except (OSError, ValueError) as error:
            raise self._unusable(f"known hosts ({', '.join(files)})", error) from error

    async def _shown_key(
        self,
        options: asyncssh.SSHClientConnectionOptions,
        tunnel: asyncssh.SSHClientConnection | None,
    ) -> str:
        """The key of a host that has none of the known kinds, without logging in; or empty."""
        try:
            async with asyncio.timeout(self.timeout_s):
                key = await asyncssh.get_server_host_key(
                    options.host, options.port, tunnel=tunnel, config=None
                )
        except (OSError, asyncssh.Error):
            return ""
        return _fingerprint(key) if key else ""

    def _unusable(self, what: str, error: Exception) -> DialError:
        said = f"{self.spec.id}: {what} can't be used: {error_words(error)}"
        return DialError(Failure(one_line(said, 400), lasting=True))


class _Witness(asyncssh.SSHClient):
    """Notes what a host showed and asked for, so that a failure can be explained."""

    def __init__(self, known: asyncssh.SSHKnownHosts) -> None:
        self._known = known
        self._connection: asyncssh.SSHClientConnection | None = None
        self.trusted: tuple[str, ...] = ()
        self.offered = ""
        self.methods: tuple[str, ...] = ()

    @property
    def answered(self) -> bool:
        return self._connection is not None

    def match(self, host: str, addr: str, port: int | None) -> Any:
        """The known hosts' answer, as asyncssh asks for it."""
        found = self._known.match(host, addr, port)
        self.trusted = tuple(_fingerprint(key) for key in found[0])
        return found

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        self.offered = _fingerprint(key)
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = f"a certificate of {_fingerprint(key)}"
        return False

    def public_key_auth_requested(self) -> None:
        self._note_methods()

    def password_auth_requested(self) -> None:
        self._note_methods()

    def kbdint_auth_requested(self) -> None:
        self._note_methods()

    def _note_methods(self) -> None:
        if self._connection is not None and not self.methods:
            self.methods = tuple(self._connection.get_server_auth_methods())


def _expanded(path: str) -> str:
    return str(home_path(path))


def _hops(jump: str) -> list[_Place]:
    """`user@host:port,…` as places, nearest first."""
    return [_parse(one.strip()) for one in jump.split(",") if one.strip().lower() not in _NO_JUMP]


def _parse(text: str) -> _Place:
    user, _, rest = text.removeprefix("ssh://").rpartition("@")
    host, _, port = rest.rpartition(":")
    if port.isdigit() and (":" not in host or host.endswith("]")):
        return _Place(host.strip("[]"), int(port), user)
    return _Place(rest.strip("[]"), 0, user)


def _fast_first(algorithms: Sequence[bytes]) -> list[str]:
    """The allowed ciphers with those first that take the least time here."""
    fast = [one for one in _FAST_CIPHERS if one in algorithms]
    return [one.decode() for one in (*fast, *(one for one in algorithms if one not in fast))]


def _fingerprint(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def _keys_of(options: asyncssh.SSHClientConnectionOptions) -> tuple[str, ...]:
    """The keys with which a log-in is tried, for a person."""
    keys = []
    for pair in options.client_keys or ():
        digest = base64.b64encode(hashlib.sha256(pair.public_data).digest()).decode().rstrip("=")
        keys.append(one_line(f"SHA256:{digest} {pair.get_comment() or ''}"))
    return (*keys, "the agent's") if options.agent_path else tuple(keys)
