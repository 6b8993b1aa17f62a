"""The wire between engine and screens: messages to frames and back. Opens no socket.

Text frames are JSON objects; what is bulky (log lines, output) is a binary frame: a
JSON line, then the raw bytes. Each signal carries its number in this life of the
engine, so that a screen that comes back gets none twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from optibid_console.codec import canonical, from_plain, to_plain
from optibid_console.commands import (
    Accepted,
    Command,
    Refused,
    command_from_plain,
    command_to_plain,
)
from optibid_console.entries import Entry, entry_from_plain, kind_of
from optibid_console.feed.messages import (
    MAX_NAME,
    VERSION,
    Answer,
    Asked,
    Frame,
    Hello,
    Message,
    SnapshotPart,
    Welcome,
    WireError,
)
from optibid_console.signals import (
    CostSampled,
    Link,
    LockWaits,
    LogLines,
    Missed,
    Output,
    Presence,
    Progress,
    Pulse,
    Sampled,
    Signal,
)
from optibid_console.source import CaughtUp, Ended, Role

T = TypeVar("T")

_SMALL: Mapping[str, type[Any]] = {
    kind_of(one): one
    for one in (
        Sampled,
        Progress,
        LockWaits,
        CostSampled,
        Link,
        Presence,
        Pulse,
        Missed,
    )
}


# Screen → engine


def encode_hello(hello: Hello) -> bytes:
    return _dump({"hello": VERSION, **to_plain(hello)})


def decode_hello(frame: str | bytes) -> Hello:
    """The greeting, its name cleaned of what can't be printed. Raises `WireError`."""
    value = _load(frame)
    if value.get("hello") != VERSION:
        raise WireError(f"no greeting of version {VERSION}: {_short(value.get('hello'))}")
    hello = _guarded(lambda body: from_plain(Hello, body), value)
    if hello.want not in ("drive", "watch"):
        raise WireError(f"want: drive or watch, not {_short(hello.want)}")
    if hello.after < 0 or hello.signals_after < 0:
        raise WireError("after: a number from 0 on")
    name = "".join(one for one in hello.name if one.isprintable()).strip()[:MAX_NAME]
    return replace(hello, name=name or "somebody")


def encode_command(asked: Asked) -> bytes:
    return _dump({"id": asked.id, "command": command_to_plain(asked.command)})


def decode_command(frame: str | bytes) -> Asked:
    """Raises `WireError`."""
    value = _load(frame)
    number, command = value.get("id"), value.get("command")
    if type(number) is not int or not isinstance(command, dict):
        raise WireError("a command is {id: N, command: {kind, body}}")
    return Asked(number, _guarded(_recordable, command))


def _recordable(value: dict[str, Any]) -> Command:
    canonical(value)  # NaN and lone surrogates could not be sealed in an entry
    return command_from_plain(value)


# Engine → screen


def encode(message: Message, number: int = 0) -> Frame:
    """The frame of a message; `number` is the signal's, when it is one."""
    match message:
        case LogLines():
            head = {
                "tail": message.tail, "count": message.count, "dropped": message.dropped,
                "notice": message.notice, "at": message.at, "n": number,
            }  # fmt: skip
            return _binary(head, message.data, number, message.count + message.dropped)
        case Output():
            head = {
                "run": message.run_id, "offset": message.offset, "stream": message.stream,
                "n": number,
            }  # fmt: skip
            return _binary(head, message.data, number, 0)
        case SnapshotPart():
            head = {"snapshot": message.seq, "part": message.part, "of": message.of}
            return _binary(head, message.data, 0, 0)
        case Entry():
            return _text({"entry": message.to_plain()})
        case Welcome():
            return _text({"welcome": VERSION, **to_plain(message)})
        case Role():
            return _text({"role": to_plain(message)})
        case CaughtUp():
            return _text({"caught_up": message.seq})
        case Ended():
            return Frame(_dump({"ended": message.reason}), True, last=True)
        case Answer():
            key = "accepted" if isinstance(message.reply, Accepted) else "refused"
            return _text({"reply": message.id, key: to_plain(message.reply)})
        case _:
            signal = {"kind": kind_of(type(message)), "body": to_plain(message)}
            return Frame(_dump({"signal": signal, "n": number}), True, number)


def decode(frame: str | bytes) -> tuple[Message | None, int]:
    """The message and its number as a signal (0: none); None for a kind that this version
    doesn't know. Raises `WireError`."""
    if isinstance(frame, bytes):
        return _decode_binary(frame)
    value = _load(frame)
    for key, read in _TEXT.items():
        if key in value:
            return _guarded(read, value), _number(value)
    return None, 0


def _decode_binary(frame: bytes) -> tuple[Message | None, int]:
    line, found, data = frame.partition(b"\n")
    if not found:
        raise WireError("a binary frame without its first line")
    head = _load(line)
    if "tail" in head:
        return _guarded(lambda value: _log_lines(value, data), head), _number(head)
    if "snapshot" in head:
        return _guarded(
            lambda value: SnapshotPart(
                int(value["snapshot"]), int(value["part"]), int(value["of"]), data
            ),
            head,
        ), 0
    if "run" in head:
        return _guarded(lambda value: _output(value, data), head), _number(head)
    return None, 0


def _log_lines(head: dict[str, Any], data: bytes) -> LogLines:
    count, dropped = int(head["count"]), int(head.get("dropped", 0))
    at, notice = float(head.get("at", 0.0)), str(head.get("notice", ""))
    return LogLines(str(head["tail"]), data, count, dropped, notice, at)


def _output(head: dict[str, Any], data: bytes) -> Output:
    stream = str(head.get("stream", "output"))  # an older engine does not say
    return Output(str(head["run"]), int(head["offset"]), data, stream)


def _decode_signal(value: dict[str, Any]) -> Message | None:
    signal = value["signal"]
    kind = _SMALL.get(signal["kind"])
    if kind is None:
        return None
    message: Signal = from_plain(kind, signal["body"])
    return message


def _decode_answer(value: dict[str, Any]) -> Answer:
    if "accepted" in value:
        return Answer(int(value["reply"]), from_plain(Accepted, value["accepted"]))
    return Answer(int(value["reply"]), from_plain(Refused, value["refused"]))


_TEXT: Mapping[str, Callable[[dict[str, Any]], Message | None]] = {
    "entry": lambda value: entry_from_plain(value["entry"]),
    "signal": _decode_signal,
    "reply": _decode_answer,
    "role": lambda value: from_plain(Role, value["role"]),
    "caught_up": lambda value: CaughtUp(int(value["caught_up"])),
    "welcome": lambda value: from_plain(Welcome, value),
    "ended": lambda value: Ended(str(value["ended"])),
}


def _number(value: Mapping[str, Any]) -> int:
    number = value.get("n", 0)
    return number if type(number) is int else 0


def _guarded(read: Callable[[dict[str, Any]], T], value: dict[str, Any]) -> T:
    try:
        return read(value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WireError(f"not a message: {_short(str(error))}") from error


def _load(frame: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {_short(str(error))}") from error
    if not isinstance(value, dict):
        raise WireError("not a JSON object")
    return value


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _text(value: Any) -> Frame:
    return Frame(_dump(value), True)


def _binary(head: dict[str, Any], data: bytes, number: int, lines: int) -> Frame:
    return Frame(_dump(head) + b"\n" + data, False, number, lines, bulky=True)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
