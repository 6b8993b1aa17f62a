"""A raw line's time, level and text, for everything that OptiBid's hosts write."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screens.widgets.log_line import Level, LogText, level_of, parse

E, W, I, D, N = Level.ERROR, Level.WARN, Level.INFO, Level.DEBUG, Level.NONE  # noqa: E741 short for the table

TABLE = [
    (
        b"2026-11-24 01:57:11 - main - ERROR - Health check failed: refused",
        LogText("01:57:11", "ERROR", E, "Health check failed: refused"),
    ),
    (
        b"2026-11-24 01:57:11,123 - app.db - WARNING - pool low",
        LogText("01:57:11", "WARNING", W, "app.db: pool low"),
    ),
    (
        b'INFO:     127.0.0.1:50590 - "GET /health HTTP/1.1" 200 OK',
        LogText("", "INFO", I, "GET /health 200 OK  from 127.0.0.1:50590"),
    ),
    (
        b'INFO:     127.0.0.1:50590 - "POST /api/bids HTTP/1.1" 503 Service Unavailable',
        LogText("", "INFO", E, "POST /api/bids 503 Service Unavailable  from 127.0.0.1:50590"),
    ),
    (
        b"INFO:     Application startup complete.",
        LogText("", "INFO", I, "Application startup complete."),
    ),
    (
        b"2026-11-24 20:17:42.123 UTC [1234] LOG:  checkpoint complete: wrote 12 buffers",
        LogText("20:17:42", "LOG", I, "checkpoint complete: wrote 12 buffers  [1234]"),
    ),
    (
        b'2026-11-24 20:17:42 UTC [9] optibid@optibid FATAL:  role "x" does not exist',
        LogText("20:17:42", "FATAL", E, 'role "x" does not exist  [9] optibid@optibid'),
    ),
    (
        b'10.0.0.1 - - [24/Nov/2026:20:17:42 +0000] "GET /a HTTP/1.1" 404 153 "-" "curl"',
        LogText("20:17:42", "", W, 'GET /a 404 153 "-" "curl"  from 10.0.0.1'),
    ),
    (
        b"2026/11/24 20:17:42 [error] 7#7: *1 connect() failed",
        LogText("20:17:42", "ERROR", E, "7#7: *1 connect() failed"),
    ),
    (
        b'{"timestamp":"2026-11-24T20:17:43.1Z","level":"warn","message":"slow","ms":1240}',
        LogText("20:17:43", "WARN", W, "slow  ms=1240"),
    ),
    (
        b'{"level":50,"time":1764015463000,"msg":"boom","err":{"code":7}}',
        LogText("", "ERROR", E, 'boom  time=1764015463000  err={"code":7}'),
    ),
    (
        b"Nov 24 20:17:42 app-1 optibid[12]: started",
        LogText("20:17:42", "", N, "app-1 optibid[12]: started"),
    ),
    (b"2026-11-24T20:17:42Z DEBUG cache miss", LogText("20:17:42", "DEBUG", D, "cache miss")),
    (
        b"Traceback (most recent call last):",
        LogText("", "", E, "Traceback (most recent call last):"),
    ),
    (b'  File "/app/main.py", line 12', LogText("", "", N, '  File "/app/main.py", line 12')),
    (b"", LogText("", "", N, "")),
    (b"{not json", LogText("", "", N, "{not json")),
    (b"[1, 2]", LogText("", "", N, "[1, 2]")),
    (
        b"\x1b[31m2026-11-24 01:57:11 - main - ERROR - \x1b[0mred",
        LogText("01:57:11", "ERROR", E, "red"),
    ),
]


@pytest.mark.parametrize(("raw", "parts"), TABLE, ids=lambda one: str(one)[:40])
def test_known_formats(raw: bytes, parts: LogText) -> None:
    assert parse(raw, 200) == parts


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /error/ERROR-codes",
        b"no_error here",
        b"errors: 0",
        b"INFORMATION",
        b"/var/log/ERROR.txt",
    ],
)
def test_a_word_inside_something_else_is_no_level(raw: bytes) -> None:
    assert level_of(raw) is Level.NONE


def test_control_characters_written_as_json_escapes_are_cleaned() -> None:
    raw = json.dumps({"level": "\x1b[2J", "message": "a\x1b]0;t\x07", "\u202ek": "\x9b"}).encode()
    shown = parse(raw, 200)
    assert shown.text == "a^[]0;t^G  �k=�"
    assert "\x1b" not in shown.label


@pytest.mark.parametrize(
    "raw",
    [b'{"a":' * 5000, b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"a":' + b"9" * 5000 + b"}"],
)
def test_hostile_json_is_shown_as_it_is(raw: bytes) -> None:
    assert parse(raw, 50).text == raw[:50].decode()


@given(st.binary(max_size=200))
def test_any_bytes_give_parts_that_are_safe_to_draw(raw: bytes) -> None:
    parts = parse(raw, 80)
    assert len(parts.text) <= 80
    for char in parts.time + parts.label + parts.text:
        assert unicodedata.category(char) not in ("Cc", "Cf", "Cs")
