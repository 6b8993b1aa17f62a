"""What engine and screens say to each other, whatever carries it."""

from __future__ import annotations

from dataclasses import dataclass, field

from optibid_console.commands import Command, Reply
from optibid_console.entries import Entry
from optibid_console.signals import Signal
from optibid_console.source import CaughtUp, Ended, Role

VERSION = 1
"""Of the protocol: the number in `hello` and `welcome`."""
SUBPROTOCOL = f"optibid-feed.{VERSION}"
"""What observers speak, as it is asked for in the WebSocket's handshake (RFC 6455 1.9)."""
TURNED_AWAY = 4003
"""The close code for a link that is unknown, revoked or expired."""
HANDED_OVER = 4001
"""The close code of an engine that was deposed: another one has the window."""
MAX_NAME = 64


class WireError(ValueError):
    """A frame that isn't a message of this protocol; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded message, made once for all screens."""

    data: bytes
    text: bool
    number: int = 0
    """The signal's number; 0 for what is no signal."""
    lines: int = 0
    signals: int = 1
    """How many lines and signals are lost with it."""
    bulky: bool = False
    last: bool = False
    """Nothing comes after it."""
    close_code: int = 1000
    """With what the connection is closed after the last one (RFC 6455 7.4)."""


@dataclass(frozen=True, slots=True)
class Hello:
    """A screen's greeting."""

    name: str
    want: str
    """`drive` or `watch`."""
    after: int = 0
    """The last entry that it has."""
    life: str = ""
    """The engine's life in which it was attached before, and the last signal it has of it."""
    signals_after: int = 0
    take_over: str = ""
    """Why this screen takes the window from who drives it; empty: it doesn't."""
    token: str = field(default="", repr=False)
    """An observer's."""
    snapshot: bool = False
    """Whether the state will do in place of the entries of a long window."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The engine's answer to a greeting."""

    screen: str
    life: str
    """A random name for this life of the engine: signal numbers count within it."""
    version: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A command with the number under which its reply comes."""

    id: int
    command: Command


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to command `id`."""

    id: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class SnapshotPart:
    """A part of the state after entry `seq` (`feed.snapshot`); the entries after it follow."""

    seq: int
    part: int
    of: int
    data: bytes


Message = SnapshotPart | Welcome | Entry | Signal | Role | CaughtUp | Ended | Answer
