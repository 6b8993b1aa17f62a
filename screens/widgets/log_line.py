"""A raw log line → its time, level and text, for OptiBid, uvicorn, PostgreSQL, nginx and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from screens.sanitise import clean, clean_text

LEVEL_BYTES = 512
"""How much of a line is searched for its level."""
MAX_JSON_BYTES = 64 * 1024
"""A longer JSON line is shown as it is."""


class Level(IntEnum):
    """How bad a line says it is; ordered."""

    NONE = 0
    """It doesn't say: a traceback's inner line, a banner."""
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4


@dataclass(frozen=True, slots=True)
class LogText:
    """The parts of a log line, each safe to draw."""

    time: str
    """`HH:MM:SS` as the line says it, or empty."""
    label: str
    """The level in the line's own word, in capitals: `ERROR`, `LOG`, `INFO`; or empty."""
    level: Level
    text: str


_LEVELS: Mapping[str, Level] = {
    "TRACE": Level.DEBUG, "DEBUG": Level.DEBUG, "DEBUG1": Level.DEBUG, "DEBUG2": Level.DEBUG,
    "INFO": Level.INFO, "LOG": Level.INFO, "NOTICE": Level.INFO, "STATEMENT": Level.INFO,
    "DETAIL": Level.INFO, "HINT": Level.INFO, "CONTEXT": Level.INFO,
    "WARN": Level.WARN, "WARNING": Level.WARN,
    "ERR": Level.ERROR, "ERROR": Level.ERROR, "FATAL": Level.ERROR, "CRIT": Level.ERROR,
    "CRITICAL": Level.ERROR, "PANIC": Level.ERROR, "ALERT": Level.ERROR, "EMERG": Level.ERROR,
}  # fmt: skip
_NUMERIC = {10: "TRACE", 20: "DEBUG", 30: "INFO", 40: "WARN", 50: "ERROR", 60: "FATAL"}
"""pino's and bunyan's numbers."""

_WORDS = (
    r"TRACE|DEBUG[12]?|INFO|LOG|NOTICE|STATEMENT|DETAIL|HINT|CONTEXT|WARN(?:ING)?"
    r"|ERR(?:OR)?|FATAL|CRIT(?:ICAL)?|PANIC|ALERT|EMERG"
)
_LOWER = r"trace|debug|info|notice|warn(?:ing)?|err(?:or)?|fatal|crit(?:ical)?|alert|emerg"
_LEVEL = re.compile(
    rf"""(?<![\w/.-])(?P<word>{_WORDS})(?![\w/-])
      | \[(?P<bracket>{_LOWER})\]
      | \b(?:level|severity|levelname|lvl)"?\s*[=:]\s*"?(?P<field>[A-Za-z]{{3,9}}|[1-6]0)\b
      | (?P<trace>Traceback\ \(most\ recent)
      | HTTP/[\d.]+"\s(?P<status>[1-5]\d\d)\b""".encode(),
    re.VERBOSE,
)
_STATUS = re.compile(rb'HTTP/[\d.]+"\s([45])\d\d\b')

_OPTIBID = re.compile(
    rf"\d{{4}}-\d\d-\d\d[ T](\d\d:\d\d:\d\d)(?:[.,]\d+)? - (\S+) - ({_WORDS}) - (.*)"
)
_UVICORN = re.compile(rf'({_WORDS}):\s+([\d.:a-fA-F\[\]]+) - "(\S+ \S+) HTTP/[\d.]+" (\d{{3}} ?.*)')
_POSTGRES = re.compile(
    rf"\d{{4}}-\d\d-\d\d (\d\d:\d\d:\d\d)(?:\.\d+)? [A-Z]{{2,5}} (.*?)({_WORDS}):\s+(.*)"
)
_ACCESS = re.compile(
    r'(\S+) \S+ \S+ \[\d\d/\w{3}/\d{4}:(\d\d:\d\d:\d\d)[^\]]*\] "(\S+ \S+)(?: HTTP/[\d.]+)?" '
    r"(\d{3}) (.*)"
)
_NGINX = re.compile(r"\d{4}/\d\d/\d\d (\d\d:\d\d:\d\d) \[(\w+)\] (.*)")
_STAMPED = re.compile(
    r"\[?(?:\d{4}-\d\d-\d\d[ T]|\w{3} [ \d]\d )(\d\d:\d\d:\d\d)(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?"
    r"\s*(.*)"
)
_LEADING = re.compile(rf"\[?({_WORDS})\]?(?::|\s|$)\s*(.*)")


def level_of(raw: bytes) -> Level:
    """How bad a raw line says it is, from its first `LEVEL_BYTES` bytes.

    An HTTP answer of 5xx is an error and one of 4xx a warning, whatever its log calls it.
    """
    head = raw[:LEVEL_BYTES]
    found = _LEVEL.search(head)
    if found is None:
        return Level.NONE
    level = _level_found(found)
    if level is Level.INFO and b"HTTP/" in head and (status := _STATUS.search(head)):
        return Level.ERROR if status[1] == b"5" else Level.WARN
    return level


def _level_found(found: re.Match[bytes]) -> Level:
    if found["trace"]:
        return Level.ERROR
    if found["status"]:
        return {b"5": Level.ERROR, b"4": Level.WARN}.get(found["status"][:1], Level.INFO)
    word = (found["word"] or found["bracket"] or found["field"]).decode("ascii").upper()
    if word.isdigit():
        word = _NUMERIC[int(word)]
    return _LEVELS.get(word, Level.NONE)


def parse(raw: bytes, max_chars: int) -> LogText:
    """The parts of a raw line, of which about `max_chars` characters will be seen."""
    level = level_of(raw)
    if raw[:1] == b"{" and len(raw) <= MAX_JSON_BYTES:
        parts = _json(raw)
        if parts is not None:
            time, label, text = parts
            return LogText(time, label, level, text[:max_chars])
    time, label, text = _split(clean(raw, max_chars + 64))
    return LogText(time, label, level, text[:max_chars])


def _split(line: str) -> tuple[str, str, str]:
    if found := _OPTIBID.match(line):
        time, logger, label, text = found.groups()
        return time, label, text if logger in ("main", "root") else f"{logger}: {text}"
    if found := _UVICORN.match(line):
        label, client, request, answer = found.groups()
        return "", label, f"{request} {answer.rstrip()}  from {client}"
    if found := _POSTGRES.match(line):
        time, before, label, text = found.groups()
        return time, label, f"{text}  {before.strip()}".rstrip()
    if found := _ACCESS.match(line):
        client, time, request, status, rest = found.groups()
        return time, "", f"{request} {status} {rest}  from {client}"
    if found := _NGINX.match(line):
        time, label, text = found.groups()
        return time, label.upper(), text
    time = ""
    if found := _STAMPED.match(line):
        time, line = found.groups()
    if found := _LEADING.match(line):
        return time, found[1], found[2]
    return time, "", line


def _json(raw: bytes) -> tuple[str, str, str] | None:
    try:
        record = json.loads(raw)
        return _fields(record) if isinstance(record, dict) else None
    except (ValueError, RecursionError):
        return None


def _fields(record: dict[str, Any]) -> tuple[str, str, str]:
    stamp = _take(record, ("timestamp", "@timestamp", "time", "ts", "asctime"))
    label = _take(record, ("level", "severity", "levelname", "lvl"))
    message = _take(record, ("message", "msg", "event"))
    if isinstance(label, int):
        label = _NUMERIC.get(label, label)
    clock = re.search(r"\d\d:\d\d:\d\d", str(stamp))
    if clock is None and stamp is not None:
        record = {"time": stamp, **record}
    text = _pairs(message, record)
    return clock[0] if clock else "", clean_text(_words(label)).upper()[:9], text


def _take(record: dict[str, Any], names: Iterable[str]) -> Any:
    """The first of these fields that the record has, taken out of it."""
    for name in names:
        if name in record:
            return record.pop(name)
    return None


def _pairs(message: Any, record: Mapping[str, Any]) -> str:
    pairs = "  ".join(f"{name}={_words(value)}" for name, value in record.items())
    return clean_text("  ".join(part for part in (_words(message), pairs) if part))


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
