"""Each way in which a connection fails has its own sentence, and says whether it lasts."""

from __future__ import annotations

import socket

import asyncssh
import pytest

from optibid_console.targets.ssh_errors import Attempt, explain

ATTEMPT = Attempt("app-1", "app-1.example", 22, "deploy", 10.0, known_hosts=("~/.ssh/known_hosts",))


def attempt(**changes: object) -> Attempt:
    given = {name: getattr(ATTEMPT, name) for name in Attempt.__dataclass_fields__}
    return Attempt(**{**given, **changes})


SSH_LOST = asyncssh.ConnectionLost("Connection lost")
DENIED = asyncssh.PermissionDenied("Permission denied")
UNTRUSTED = asyncssh.HostKeyNotVerifiable("Host key is not trusted")
TOO_MANY = asyncssh.DisconnectError(2, "Too many authentication failures")
KNOWN = {"trusted": ("ssh-rsa SHA256:old",), "offered": "ssh-ed25519 SHA256:new"}
JUMP_REFUSED = asyncssh.ChannelOpenError(2, "Connection refused")
JUMP_FORBIDDEN = asyncssh.ChannelOpenError(1, "administratively prohibited")
SEVERAL = OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] Connect …")


@pytest.mark.parametrize(
    ("error", "changes", "said", "lasting"),
    [
        (socket.gaierror(-2, "Name or service not known"), {}, "doesn't resolve", True),
        (UNTRUSTED, {"offered": "ssh-rsa SHA256:x"}, "host key unknown: app-1.example", True),
        (UNTRUSTED, KNOWN, "SHA256:new, but known is ssh-rsa SHA256:old", True),
        (asyncssh.KeyExchangeFailed("no match"), KNOWN, "HOST KEY CHANGED", True),
        (ConnectionResetError(104, "reset"), KNOWN, "HOST KEY CHANGED", True),
        (SSH_LOST, KNOWN, "HOST KEY CHANGED", True),
        (SSH_LOST, {}, "ended the connection: Connection lost", False),
        (asyncssh.HostKeyNotVerifiable("Host key is revoked"), KNOWN, "revoked", True),
        (DENIED, {"keys": ("SHA256:k mine",)}, "keys tried: SHA256:k mine", True),
        (DENIED, {}, "keys tried: none", True),
        (TOO_MANY, {}, "permission denied for deploy@app-1.example", True),
        (ConnectionRefusedError(111, "x"), {"port": 2222}, "app-1.example:2222 refused", False),
        (SEVERAL, {}, "refused the connection", False),
        (TimeoutError(), {}, "is silent: no answer within 10 s", False),
        (TimeoutError(), {"answered": True}, "didn't finish the SSH greeting", False),
        (OSError(113, "No route to host"), {}, "can't be reached: No route to host", False),
        (JUMP_REFUSED, {"via": "bastion"}, "(through bastion) refused the connection", False),
        (JUMP_FORBIDDEN, {"via": "bastion"}, "jump host bastion can't reach", False),
        (asyncssh.DisconnectError(11, "\x1b[31mbye\n\n"), {}, "ended the connection: bye", False),
    ],
)
def test_a_failure_in_words(
    error: Exception, changes: dict[str, object], said: str, lasting: bool
) -> None:
    failure = explain(error, attempt(**changes))
    assert failure.message.startswith("app-1: ")
    assert said in failure.message
    assert "\n" not in failure.message
    assert "\x1b" not in failure.message
    assert failure.lasting is lasting
