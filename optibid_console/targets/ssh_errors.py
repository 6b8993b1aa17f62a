"""What a failed SSH connection means for a person: one sentence each, and whether to try on."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

import asyncssh

from probes.error_words import error_words
from probes.text import one_line

NO_COMMON_KEY = (asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost, ConnectionResetError)
"""How it looks when the host has no key of a kind that is known of it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known about one attempt to connect: what was asked, and what was seen."""

    target: str
    host: str
    port: int
    user: str
    timeout_s: float
    known_hosts: tuple[str, ...] = ()
    """The files that were searched for the host's key."""
    trusted: tuple[str, ...] = ()
    """Keys that these files hold for the host: `ssh-ed25519 SHA256:…`."""
    offered: str = ""
    """The key that the host showed: `ssh-ed25519 SHA256:…`; empty: it showed none."""
    methods: tuple[str, ...] = ()
    """Ways to authenticate that the host offered and that didn't work."""
    keys: tuple[str, ...] = ()
    """Keys with which it was tried, the agent's among them."""
    answered: bool = False
    """Whether the network connection was made."""
    via: str = ""
    """The jump host behind which it is, or empty."""

    @property
    def address(self) -> str:
        where = self.host if self.port == 22 else f"{self.host}:{self.port}"
        return f"{where} (through {self.via})" if self.via else where


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no connection. `lasting`: trying again soon won't change it."""

    message: str
    lasting: bool = False


def explain(error: Exception, attempt: Attempt) -> Failure:
    """The sentence for what an attempt to connect raised. Pure."""
    where = f"{attempt.target}: "
    if isinstance(error, asyncssh.HostKeyNotVerifiable) or _changed_algorithm(error, attempt):
        return Failure(where + _host_key(error, attempt), lasting=True)
    if _is_denied(error):
        return Failure(where + _denied(attempt), lasting=True)
    if isinstance(error, socket.gaierror):
        return Failure(
            f"{where}host unknown: the name {attempt.host} doesn't resolve ({error.strerror}); "
            "check host in the runbook, ~/.ssh/config and DNS",
            lasting=True,
        )
    if _is_refused(error):
        return Failure(
            f"{where}{attempt.address} refused the connection: no SSH server listens on that port"
        )
    if isinstance(error, TimeoutError):
        return Failure(where + _silent(attempt))
    if isinstance(error, asyncssh.ChannelOpenError):
        reason = one_line(error.reason)
        return Failure(f"{where}the jump host {attempt.via} can't reach {attempt.host}: {reason}")
    if isinstance(error, asyncssh.KeyImportError | asyncssh.ConfigParseError):
        return Failure(f"{where}{one_line(str(error), 300)}", lasting=True)
    if isinstance(error, OSError):
        reason = one_line(error.strerror or str(error), 200)
        return Failure(f"{where}{attempt.address} can't be reached: {reason}")
    reason = error_words(error)
    return Failure(f"{where}{attempt.address} ended the connection: {reason}")


def _changed_algorithm(error: Exception, attempt: Attempt) -> bool:
    """The host no longer has any key of the kinds that are known of it."""
    known = {one.split(" ")[0] for one in attempt.trusted}
    return (
        isinstance(error, NO_COMMON_KEY)
        and bool(known)
        and bool(attempt.offered)
        and attempt.offered.split(" ")[0] not in known
    )


def _host_key(error: Exception, attempt: Attempt) -> str:
    files = " or ".join(attempt.known_hosts) or "any known_hosts file"
    if "revoked" in str(error):
        return f"{attempt.address} showed a key that is revoked in {files}: {attempt.offered}"
    if attempt.trusted:
        known = ", ".join(attempt.trusted)
        return (
            f"HOST KEY CHANGED: {attempt.address} showed {attempt.offered or 'another key'}, but "
            f"known is {known} (in {files}). Somebody may be in between, or the host was rebuilt: "
            "ask its owner for the fingerprint before you replace the line. Not connected"
        )
    return (
        f"host key unknown: {attempt.address} isn't in {files}; it showed "
        f"{attempt.offered or one_line(str(error))}. Compare that with what its owner says, "
        "then add it (ssh-keyscan)"
    )


def _is_denied(error: Exception) -> bool:
    if isinstance(error, asyncssh.PermissionDenied):
        return True
    return isinstance(error, asyncssh.DisconnectError) and "authentication fail" in error.reason


def _denied(attempt: Attempt) -> str:
    methods = ", ".join(attempt.methods) or "nothing that this console can do"
    keys = ", ".join(attempt.keys) or "none: no agent, no identity, no usual key file"
    return (
        f"permission denied for {attempt.user}@{attempt.address}; the host accepts {methods}; "
        f"keys tried: {keys}. Check user, identity and the host's authorized_keys"
    )


def _is_refused(error: Exception) -> bool:
    if isinstance(error, asyncssh.ChannelOpenError):
        return "refused" in error.reason.lower()
    if isinstance(error, ConnectionRefusedError):
        return True
    # asyncio joins the errors of several addresses into one without a number
    return isinstance(error, OSError) and f"[Errno {errno.ECONNREFUSED}]" in str(error)


def _silent(attempt: Attempt) -> str:
    limit = f"within {attempt.timeout_s:g} s"
    if attempt.answered:
        return (
            f"{attempt.address} took the connection but didn't finish the SSH greeting {limit}: "
            "it hangs, is overloaded, or isn't an SSH server"
        )
    return (
        f"{attempt.address} is silent: no answer {limit}; it is down, unreachable from here, "
        "or a firewall drops the packets"
    )
