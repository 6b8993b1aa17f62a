"""The wire's encoding: every message comes back as it was; garbage is named, never raised raw."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optibid_console.commands import Abort, Accepted, MarkItem, Refused
from optibid_console.entries import GENESIS, Held, Mark, seal
from optibid_console.feed.messages import (
    Answer,
    Asked,
    Hello,
    Welcome,
    WireError,
)
from optibid_console.feed.wire import (
    decode,
    decode_command,
    decode_hello,
    encode,
    encode_command,
    encode_hello,
)
from optibid_console.signals import (
    Link,
    LogLines,
    Missed,
    Output,
    Presence,
    Pulse,
    Sampled,
)
from optibid_console.source import CaughtUp, Ended, Role
from probes.probe import Reading, Status

READING = Reading("db", Status.FAILING, "refused \x1b[2J", 5.0, 1.5, None, "ms", {"a": "b"})
MESSAGES = [
    seal(1, 2.0, 3.0, "oncall-1", Held("a\nb ✓\x1b"), GENESIS),
    LogLines("backend", b"one\n\xff\x00two\n", 2, 7, "rotated", 1_795_554_000.25),
    LogLines("backend", b"", 0, notice="lost: …"),
    Output("run-1", 12, b"\n\n"),
    Output("run-1", 14, b"x", "stderr"),
    Sampled("probe", READING),
    Link("app-1", "reconnecting", "8 s", 1.5, 3),
    Presence(("ann", "bob")),
    Pulse(1.0, 2.0, False, "disk full"),
    Missed(3, 400),
    Role(True, "oncall-1", 2.0, 0.0),
    CaughtUp(12),
    Ended("window closed"),
    Welcome("screen-1", "abc", "0.1.0", 12),
    Answer(4, Accepted("held", 9)),
    Answer(5, Refused("why not")),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_a_message_comes_back_as_it_was(message) -> None:
    frame = encode(message, 77)
    data = frame.data.decode() if frame.text else frame.data
    number = (
        77 if type(message) in (LogLines, Output, Sampled, Link, Presence, Pulse, Missed) else 0
    )
    assert decode(data) == (message, number)
    assert frame.number == number


def test_the_frames_are_those_of_the_architecture_page() -> None:
    assert encode(LogLines("backend", b"x\n", 1, at=2.5), 5).data.split(b"\n", 1) == [
        b'{"tail":"backend","count":1,"dropped":0,"notice":"","at":2.5,"n":5}', b"x\n",
    ]  # fmt: skip
    assert encode(Output("r-1", 7, b"x\n", "stderr"), 5).data.split(b"\n", 1) == [
        b'{"run":"r-1","offset":7,"stream":"stderr","n":5}', b"x\n",
    ]  # fmt: skip
    assert encode(CaughtUp(3)).data == b'{"caught_up":3}'
    assert json.loads(encode_hello(Hello("ann", "watch", 4))) == {
        "hello": 1, "name": "ann", "want": "watch", "after": 4, "life": "", "signals_after": 0,
        "take_over": "", "token": "", "snapshot": False,
    }  # fmt: skip
    assert json.loads(encode_command(Asked(1, Abort()))) == {
        "id": 1, "command": {"kind": "abort", "body": {"run_id": ""}},
    }  # fmt: skip


def test_output_of_an_engine_that_tells_no_streams_apart_is_read() -> None:
    assert decode(b'{"run":"r-1","offset":7,"n":5}\nx') == (Output("r-1", 7, b"x", "output"), 5)


def test_greetings_and_commands_come_back() -> None:
    hello = Hello("oncall-1", "drive", 12, "abc", 99)
    assert decode_hello(encode_hello(hello)) == hello
    asked = Asked(3, MarkItem("db-backup", Mark.DONE, "seen"))
    assert decode_command(encode_command(asked)) == asked


@pytest.mark.parametrize(
    ("name", "shown"),
    [("on\x1b[31mcall\x07", "on[31mcall"), ("x" * 500, "x" * 64), ("\u202e ", "somebody")],
)
def test_a_name_is_cleaned(name: str, shown: str) -> None:
    assert decode_hello(encode_hello(Hello(name, "watch"))).name == shown


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        ("{}", "no greeting of version 1"),
        ('{"hello": 2, "name": "a", "want": "watch"}', "no greeting of version 1: 2"),
        ('{"hello": 1, "want": "watch"}', "Hello.name is missing"),
        ('{"hello": 1, "name": 3, "want": "watch"}', "expected str"),
        ('{"hello": 1, "name": "a", "want": "root"}', "drive or watch, not 'root'"),
        ('{"hello": 1, "name": "a", "want": "watch", "after": -1}', "from 0 on"),
    ],
)
def test_what_is_no_greeting_is_named(frame, says: str) -> None:
    with pytest.raises(WireError, match=says):
        decode_hello(frame)


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        '{"id": true, "command": {"kind": "abort"}}',
        '{"id": 1, "command": []}',
        '{"id": 1, "command": {"kind": "rm"}}',
        '{"id": 1, "command": {"kind": "hold", "body": {}}}',
        '{"id": 1, "command": {"kind": "hold", "body": 3}}',
        r'{"id": 1, "command": {"kind": "hold", "body": {"reason": "\udc80"}}}',
        '{"id": 1, "command": {"kind": "set-t0", "body": {"t0": NaN}}}',
        '{"id": 1, "command": {"kind": "mark-item", "body": {"item_id": "a", "mark": "x"}}}',
    ],
)
def test_what_is_no_command_is_named(frame: str) -> None:
    with pytest.raises(WireError):
        decode_command(frame)


@given(st.one_of(st.text(), st.binary()))
def test_random_frames_are_refused_or_unknown(frame) -> None:
    for read in (decode, decode_hello, decode_command):
        try:
            found = read(frame)
        except WireError:
            continue
        assert found == (None, 0)


@pytest.mark.parametrize("key", ["entry", "signal", "role", "reply", "welcome", "caught_up"])
@pytest.mark.parametrize("body", [None, 1, "x", [], {}, {"kind": "sampled"}, {"kind": []}])
def test_a_broken_message_is_a_wire_error(key: str, body) -> None:
    try:
        found = decode(json.dumps({key: body}))
    except WireError:
        return
    assert found in ((CaughtUp(1), 0), (None, 0))


def test_a_message_of_a_newer_version_is_passed_over() -> None:
    assert decode('{"weather": "fine"}') == (None, 0)
    assert decode('{"signal": {"kind": "weather", "body": {}}, "n": 3}') == (None, 3)
    assert decode(b'{"weather": 1}\nfine') == (None, 0)
