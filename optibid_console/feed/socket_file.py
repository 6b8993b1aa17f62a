"""The engine's Unix socket: a file that only its owner reaches."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from optibid_console import paths
from optibid_console.source import SourceError

_BACKLOG = 64


def listen(path: Path, *, replace: bool = False) -> socket.socket:
    """A listening socket at `path`, of mode 0600 in a directory of mode 0700.

    A stale socket (nobody listens) is replaced. Raises `SourceError` when an engine
    listens there already (unless it is to be replaced: who waits in its queue is lost) or
    the socket can't be made.
    """
    try:
        paths.make_private(path.parent)
    except OSError as error:
        raise SourceError(f"{path.parent} can't be made: {error.strerror or error}") from error
    if not replace and answers(path):
        raise SourceError(f"an engine already listens on {path}: `attach` to it")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        os.chmod(path, 0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise SourceError(f"the socket {path} can't be made: {error.strerror or error}") from error
    return listener


def answers(path: Path) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True  # its backlog is full: it lives
        except OSError:
            return False
    return True


def responds(path: Path, within_s: float) -> bool:
    """Whether who listens there also answers: a suspended one is connected to and silent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(within_s)
        try:
            probe.connect(str(path))
            probe.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no WebSocket: an error, but an answer
            return bool(probe.recv(1))
        except OSError:
            return False


def peer_uid(connection: socket.socket) -> int | None:
    """The user at the other end; None where the system doesn't tell (then the socket's mode
    alone keeps others out). See unix(7), SO_PEERCRED."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid
