"""No exception shows its class name or errno to a person."""

from __future__ import annotations

import asyncio
import builtins
import socket
import ssl

import asyncssh
import httpx
import pytest
import websockets

from probes.error_words import bug_words, error_words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ReadError(""), "the connection broke before the answer was complete"),
        (httpx.ConnectTimeout(""), "no answer in time"),
        (TimeoutError(), "no answer in time"),
        (EOFError(), "the connection was closed before the answer was complete"),
        (asyncio.IncompleteReadError(b"", 3),
         "the connection was closed before the answer was complete"),
        (FileNotFoundError(2, "No such file or directory", "/a/b"),
         "/a/b: No such file or directory"),
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1'), [Errno 111] x"),
            "Connection refused",
        ),
        (OSError(), "os error"),
        (OSError("mount is stale"), "mount is stale"),
        (ConnectionResetError(), "the other side reset the connection"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (KeyError("status"), "status is missing"),
        (b"\xff".decode, "not valid text in its encoding"),
        (asyncssh.ConnectionLost("Connection lost"), "Connection lost"),
        (ExceptionGroup("several", [ValueError("bad port")]), "bad port"),
        (ValueError("two\nlines"), "two lines"),
    ],
)  # fmt: skip
def test_an_exception_in_words(error: object, words: str) -> None:
    if callable(error):
        with pytest.raises(UnicodeDecodeError) as raised:
            error()
        error = raised.value
    assert isinstance(error, BaseException)
    assert error_words(error) == words


def test_a_bug_is_named_as_the_consoles() -> None:
    assert bug_words(KeyError("x")) == "internal error of the console (key error: x is missing)"
    assert bug_words(ZeroDivisionError()) == "internal error of the console (zero division error)"


def _all_exceptions() -> list[type[BaseException]]:
    """The exceptions of Python's own library and of the libraries that talk to servers."""
    found: list[type[BaseException]] = []
    waiting: list[type[BaseException]] = [BaseException]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        package = kind.__module__.partition(".")[0]
        if package in _PACKAGES or getattr(builtins, kind.__name__, None) is kind:
            found.append(kind)
    return found


_PACKAGES = (asyncio.__name__, ssl.__name__, httpx.__name__, asyncssh.__name__, websockets.__name__)


def test_no_library_exception_shows_its_class_name() -> None:
    looked_at = 0
    for kind in _all_exceptions():
        try:
            error = kind()
        except TypeError:  # it can't be without arguments
            continue
        looked_at += 1
        said = error_words(error)
        assert said
        assert kind.__name__ not in said, kind
        assert "Errno" not in said, kind
    assert looked_at > 80
