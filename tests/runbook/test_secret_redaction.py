"""Secrets: revealed where they work, and in no output, however it is encoded or cut."""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
import shlex
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optibid_console.runbook.redaction import Redactor, needles
from optibid_console.runbook.secrets import Secrets

PASSWORD = "p@ss \"wörd\"/'x'?&=\\"


def test_a_repr_names_secrets_and_shows_none() -> None:
    assert repr(Secrets({"PW": "hunter22"})) == "Secrets(PW)"


def test_reveal_fills_in_known_names_once() -> None:
    secrets = Secrets({"A": "${B}", "B": "bbbb"})
    assert secrets.reveal("x ${A} ${C} $${B} $B") == "x ${B} ${C} ${B} $B"
    assert secrets.reveal_all({"k": ["${B}", 3, {"m": "${B}"}], "run": 'x "${B}"'}) == {
        "k": ["bbbb", 3, {"m": "bbbb"}],
        "run": 'x "${B}"',
    }


def test_env_for_gives_what_a_command_names() -> None:
    secrets = Secrets({"A": "1111", "B": "2222"})
    assert secrets.env_for('x "${A}" $B ${C}') == {"A": "1111"}


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        quote_plus(PASSWORD),
        json.dumps(PASSWORD)[1:-1],
        json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
        shlex.quote(PASSWORD),
        base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
    ],
)
def test_the_common_encodings_of_a_secret_are_redacted(form: str) -> None:
    redacted = Secrets({"PW": PASSWORD}).redact(f"before {form} after")
    assert "[REDACTED]" in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert len(redacted) <= len("before [REDACTED] after") + 3
    assert form[3:-3] not in redacted


@settings(deadline=None)
@given(st.text("abcdefgh0123+/ é", max_size=9), st.text("abcxyz é", max_size=5))
def test_basic_authentication_does_not_show_a_password(user: str, rest: str) -> None:
    password = "correct-horse-battery"
    header = base64.b64encode(f"{user}:{password}{rest}".encode()).decode()
    shown = Secrets({"PW": password}).redact(f"Authorization: Basic {header}")
    assert "[REDACTED]" in shown
    for start in range(len(header) - 12):
        decoded = base64.b64encode(password.encode()).decode()
        assert decoded[4:16] not in shown, start


def test_short_values_are_left_alone_and_named() -> None:
    secrets = Secrets({"A": "abc", "B": "", "C": "abcd"})
    assert secrets.redact("abc abcd") == "abc [REDACTED]"
    assert secrets.too_short == ("A", "B")


def test_a_line_of_a_key_is_redacted_by_itself() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----\n"
    secrets = Secrets({"KEY": key})
    assert secrets.redact("MIIEvQIBADANBgkq") == "[REDACTED]"
    assert secrets.redact(key.replace("\n", "\r\n")) == "[REDACTED]"


def test_overlapping_secrets_leave_nothing() -> None:
    assert Secrets({"A": "abcd", "B": "cdef"}).redact("xabcdefx abcdabcd") == (
        "x[REDACTED]x [REDACTED][REDACTED]"
    )
    assert Secrets({"A": "aaaa"}).redact("aaaaaaaaab") == "[REDACTED]b"


def test_text_that_is_not_utf8_survives() -> None:
    secrets = Secrets({"A": "abcd"})
    assert secrets.redact_bytes(b"\xff\x00abcd\xfe") == b"\xff\x00[REDACTED]\xfe"
    assert secrets.redact("\ud800abcd") == "\ud800[REDACTED]"
    clean = b"nothing"
    assert secrets.redact_bytes(clean) is clean


SMALL = st.text("ab", min_size=4, max_size=6)


@settings(deadline=None)
@given(
    st.lists(SMALL, min_size=1, max_size=3),
    st.binary(max_size=0) | st.text("abc", max_size=40).map(str.encode),
    st.lists(st.integers(0, 40), max_size=8),
)
@example(["aaaa"], b"aaaaaaaaaaaa", [1, 2, 3, 4, 5, 6, 7])
@example(["abab", "baba"], b"ababababab", [3, 5])
@example(["aaab", "aaaaab"], b"aaaaab", [4])
def test_a_stream_cut_anywhere_is_redacted_as_the_whole(
    values: list[str], data: bytes, cuts: list[int]
) -> None:
    found = needles(values)
    longest = max(len(form) for one in found.all for form in one.forms)
    redactor = Redactor(found)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    shown = b""
    for start, end in itertools.pairwise(edges):
        shown += redactor.feed(data[start:end])
        assert redactor.held_bytes < longest
    shown += redactor.flush()
    assert shown == Redactor(found).whole(data)
    for value in values:
        assert value.encode() not in shown


def in_double_percents(text: str) -> str:
    return quote(quote(text, safe=""), safe="")


def lower_percents(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda one: one[0].lower(), quote(text, safe=""))


def every_mark_as(form: str) -> Callable[[str], str]:
    """An encoder that writes each character but ASCII's letters and digits in one form."""
    return lambda text: "".join(
        one if one.isascii() and one.isalnum() else form.format(ord(one)) for one in text
    )


def wrapped_at(columns: int, newline: str = "\n", before: bytes = b"") -> Callable[[str], str]:
    def encode(text: str) -> str:
        padded = base64.b64encode(before + text.encode() + b"and more after it" * 5).decode()
        return newline.join(padded[at : at + columns] for at in range(0, len(padded), columns))

    return encode


ENCODERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percents": lambda text: quote(text, safe=""),
    "lower-case percents": lower_percents,
    "a form": quote_plus,
    "percents twice": in_double_percents,
    "lower-case percents twice": lambda text: lower_percents(lower_percents(text)),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON with \\/": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1].replace("/", "\\/"))[1:-1],
    "upper-case \\u": every_mark_as("\\u{:04X}"),
    "HTML": html.escape,
    "HTML's names": lambda text: html.escape(text).replace("/", "&sol;").replace("@", "&commat;"),
    "HTML in decimals": every_mark_as("&#{};"),
    "HTML in padded decimals": every_mark_as("&#{:06};"),
    "HTML in hexadecimals": every_mark_as("&#x{:x};"),
    "HTML in upper-case hexadecimals": every_mark_as("&#X{:X};"),
    "HTML in JSON": lambda text: json.dumps(html.escape(text))[1:-1],
    "HTML in percents": lambda text: quote(html.escape(text), safe=""),
    "hexadecimals": lambda text: text.encode().hex(),
    "upper-case hexadecimals": lambda text: text.encode().hex().upper(),
    "base64 at 76": wrapped_at(76),
    "base64 at 64": wrapped_at(64, "\r\n", b"x"),
    "base64 at 76, indented": wrapped_at(76, "\n    ", b"xx" * 20),
    "base64 at 64 in JSON": lambda text: json.dumps(wrapped_at(64, "\n", b"x" * 37)(text))[1:-1],
    "URL-safe base64": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in percents": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
}  # fmt: skip
VALUES = {
    "a password": PASSWORD,
    "no letter first": "/p@ss & <wörd>+'x'\\y",
    "a URL": "postgres://app:S3cr3t/Pa+ss%21@db-1:5432/bids?sslmode=require",
    "long": "k3y-" + "0123456789abcdef/+_-" * 8,
    "a key": "-----BEGIN KEY-----\nMIIEvQIBADANBgkq/+hkiG9w0BAQEFAASC\n-----END KEY-----\n",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_no_form_of_a_secret_gets_through_however_a_stream_is_cut(value: str, encoder: str) -> None:
    secrets = Secrets({"PW": value, "OTHER": "other/secret"})
    data = f"before 10%\n{ENCODERS[encoder](value)}\nafter".encode()
    whole = secrets.redact_bytes(data)
    assert whole.startswith(b"before 10%\n")
    assert whole.endswith(b"\nafter")
    if "base64" in encoder:  # up to three characters at each end also depend on what is beside it
        assert whole.count(b"[REDACTED]") == 1
        assert len(data) - len(whole) >= len(value.encode()) * 4 / 3 - 6 - len("[REDACTED]")
    else:
        assert whole == b"before 10%\n[REDACTED]\nafter"
    for size in (1, 2, 3, 5, 7, 16, 61):
        redactor = secrets.redactor()
        shown = b"".join(redactor.feed(data[at : at + size]) for at in range(0, len(data), size))
        assert shown + redactor.flush() == whole, size


@settings(deadline=None, max_examples=60)
@given(
    st.text("abz09/+ &<>\"'\\%;#é\n", min_size=4, max_size=12),
    st.lists(st.sampled_from(sorted(ENCODERS)[:18]), min_size=1, max_size=2),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_a_stream_of_any_escapes_is_redacted_as_the_whole(
    value: str, chosen: list[str], cuts: list[int]
) -> None:
    text = value
    for one in chosen:
        text = ENCODERS[one](text)
    data = f"x {text} & 100% y".encode()
    found = needles([value, "other/one"])
    redactor = Redactor(found)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    shown = b"".join(redactor.feed(data[start:end]) for start, end in itertools.pairwise(edges))
    assert shown + redactor.flush() == Redactor(found).whole(data)


def test_a_stream_holds_nothing_back_that_cannot_become_a_secret() -> None:
    redactor = Secrets({"A": "secret"}).redactor()
    assert redactor.feed(b"progress 10%") == b"progress 10%"
    assert redactor.feed(b" secr") == b" "
    assert redactor.feed(b"etly") == b"[REDACTED]ly"
    assert redactor.feed(b"s") == b""
    assert redactor.flush() == b"s"


def test_redacting_is_faster_than_one_regular_expression() -> None:
    values = ["hunter2-prod-pass", "S3cr3t!Pa$$w0rd", "aGVsbG8td29ybGQ0NTY", "x9K2mQ7z", "t0ken-1"]
    secrets = Secrets({f"S{index}": value for index, value in enumerate(values)})
    forms = {form for one in needles(values).all for form in one.forms}
    any_form = re.compile(b"|".join(map(re.escape, forms)))
    line = b"2026-11-24 01:57:11 - main - INFO - GET /api/bids/123 200 in 12 ms id=ab12cd34\n"
    data = line * 50_000

    def best_s(work: Callable[[bytes], object]) -> float:
        times = []
        for _ in range(5):
            started = time.process_time()
            work(data)
            times.append(time.process_time() - started)
        return min(times)

    assert best_s(secrets.redact_bytes) < best_s(any_form.search)
