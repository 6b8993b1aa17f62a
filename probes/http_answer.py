"""One HTTP answer, and what was expected of it: pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from probes import expectation
from probes.expectation import Finding
from probes.health import judge_health
from probes.probe import Status
from probes.text import one_line

HEADER_CHARACTERS = 2000
"""A longer header is cut off there."""
HEADER_BYTES = 4 * HEADER_CHARACTERS


@dataclass(frozen=True, slots=True)
class HttpExpect:
    """A probe's `expect = { … }`: everything that is named must be so."""

    status: int | tuple[int, ...] = ()
    """Accepted status codes; none named: any 2xx."""
    headers: Mapping[str, Any] = field(default_factory=dict)
    """Header → text, or conditions: `{ matches = "^text/html" }`."""
    json: Mapping[str, Any] = field(default_factory=dict)
    """Dotted path → value, or conditions (`probes.expectation`)."""
    text: str = ""
    """A regular expression that the body must match somewhere."""
    max_ms: float | None = None
    """An answer that takes longer fails."""
    warn_ms: float | None = None
    """An answer that takes longer is a warning."""

    def problems(self, max_bytes: int) -> Iterator[tuple[str, str]]:
        for name, wish in self.headers.items():
            wrong = expectation.problems(wish, HEADER_BYTES)
            yield from ((f"expect.headers.{name}", say) for say in wrong)
        yield from _json_problems("expect.json", self.json, max_bytes)
        wrong = expectation.regex_problems(self.text, most_bytes=max_bytes, bound="max_bytes")
        yield from (("expect.text", say) for say in wrong)

    def patterns(self, max_bytes: int) -> Iterator[tuple[str, str, int]]:
        """Its regular expressions by key, each with the longest text that it is held against."""
        for name, wish in self.headers.items():
            for pattern in expectation.patterns_in(wish):
                yield f"expect.headers.{name}", pattern, HEADER_BYTES
        yield from _json_patterns("expect.json", self.json, max_bytes)
        if self.text:
            yield "expect.text", self.text, max_bytes


@dataclass(frozen=True, slots=True)
class HttpWarn:
    """A probe's `warn = { … }`: what is a warning and not a failure."""

    json: Mapping[str, Any] = field(default_factory=dict)
    """Dotted path → value that makes a warning: `status = "degraded"`."""

    def problems(self, max_bytes: int) -> Iterator[tuple[str, str]]:
        yield from _json_problems("warn.json", self.json, max_bytes)

    def patterns(self, max_bytes: int) -> Iterator[tuple[str, str, int]]:
        """Its regular expressions by key, each with the longest text that it is held against."""
        yield from _json_patterns("warn.json", self.json, max_bytes)


def _json_problems(key: str, table: Mapping[str, Any], max_bytes: int) -> Iterator[tuple[str, str]]:
    for path, wish in expectation.by_path(table):
        wrong = expectation.problems(wish, max_bytes, "max_bytes")
        yield from ((f"{key}.{path}", say) for say in wrong)


def _json_patterns(
    key: str, table: Mapping[str, Any], max_bytes: int
) -> Iterator[tuple[str, str, int]]:
    for path, wish in expectation.by_path(table):
        for pattern in expectation.patterns_in(wish):
            yield f"{key}.{path}", pattern, max_bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, as much of it as was read."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    cut: bool
    """The body was longer than `max_bytes` and reading stopped there."""
    took_ms: float
    """From connecting to the last byte."""
    expires_at: float | None = None
    """When the server's certificate expires (epoch seconds); None: no TLS, or it isn't checked."""


def judge_answer(
    answer: Answer, expect: HttpExpect, warn: HttpWarn, *, health: bool = False
) -> list[Finding]:
    """Everything that is expected of an answer, and whether it is so. Pure."""
    findings = [_judge_status(answer, expect.status)]
    if answer.cut:
        limit = f"at most {len(answer.body)} bytes"
        size = f"is longer than {len(answer.body)} bytes and was cut off there"
        findings.append(Finding(Status.FAILING, "body", limit, size))
    findings += [
        expectation.judge(
            f"header {name}", wish, answer.headers.get(name.lower(), expectation.MISSING)
        )
        for name, wish in expect.headers.items()
    ]
    if health or expect.json or warn.json:
        findings += _judge_json(answer, expect.json, warn.json, health)
    if expect.text:
        text = answer.body.decode("utf-8", "replace")
        findings.append(expectation.judge("body", {"matches": expect.text}, text))
    findings += _judge_latency(answer.took_ms, expect)
    return findings


def _judge_status(answer: Answer, accepted: int | tuple[int, ...]) -> Finding:
    codes = (accepted,) if isinstance(accepted, int) else tuple(accepted)
    good = answer.status in codes if codes else 200 <= answer.status < 300
    wish = " or ".join(str(code) for code in codes) or "2xx"
    found = str(answer.status)
    if "location" in answer.headers:
        found += f" to {one_line(answer.headers['location'], 60)}"
    elif not good and answer.body:
        found += f" {_shown_body(answer)}"
    return Finding(Status.OK if good else Status.FAILING, "HTTP status", wish, found)


def _judge_json(
    answer: Answer, expected: Mapping[str, Any], warn: Mapping[str, Any], health: bool
) -> list[Finding]:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return [Finding(Status.FAILING, "body", "JSON", _shown_body(answer))]
    findings = judge_health(document) if health else []
    findings += expectation.judge_paths("", expected, document)
    return _softened(findings, expectation.judge_paths("", warn, document))


def _softened(findings: list[Finding], warnings: list[Finding]) -> list[Finding]:
    """`findings` where a failure at a path whose warning applies is a warning only."""
    applies = {one.what: one for one in warnings if one.status is Status.OK}
    kept = [one for one in findings if one.status is not Status.FAILING or one.what not in applies]
    wishes = {one.what: one.expected for one in findings}
    return kept + [
        Finding(Status.WARN, what, wishes.get(what, "anything else"), one.found)
        for what, one in applies.items()
    ]


def _judge_latency(took_ms: float, expect: HttpExpect) -> list[Finding]:
    for limit, status in ((expect.max_ms, Status.FAILING), (expect.warn_ms, Status.WARN)):
        if limit is not None and took_ms > limit:
            return [Finding(status, "latency", f"at most {limit:g} ms", f"{took_ms:.0f} ms")]
    return []


def _shown_body(answer: Answer) -> str:
    """The beginning of a body that isn't what it should be."""
    encoding = answer.headers.get("content-encoding", "identity")
    if encoding != "identity":
        return f"compressed ({one_line(encoding, 20)}) though that wasn't asked for"
    return f'"{one_line(answer.body[:1000], 60)}"' if answer.body else "empty"
