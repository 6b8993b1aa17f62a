"""Durations and T-offsets as config.toml writes them: `"2m30s"`, `"T-45m"`."""

from __future__ import annotations

import re

from probes.probe import Seconds

DURATION = 'a duration such as "500ms", "5s", "2m30s" or "1h"'
OFFSET = 'an offset from T-0 such as "T-45m", "T+0" or "T+1h30m"'

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PARTS = re.compile(
    r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?", re.A
)
_OFFSET = re.compile(r"T(?:([+-])(.+))?", re.A)
_LONGEST_S = 366 * 86400.0


def parse_duration(text: str) -> Seconds:
    """Seconds from `500ms`, `5s`, `2m30s`, `1h`, `1d`, or `0`.

    A bare number other than 0 has no unit, so it is refused, as is a negative one.
    Raises `ValueError` with what is wrong, in a few words.
    """
    if text == "0":
        return Seconds(0)
    if text.startswith("-"):
        raise ValueError("a duration can't be negative")
    match = _PARTS.fullmatch(text)
    if match is None or not text:
        if re.fullmatch(r"\d+(\.\d+)?", text, re.A):
            raise ValueError("a duration needs a unit")
        raise ValueError("not a duration")
    groups = zip(match.groups(), _UNITS.values(), strict=True)
    seconds = sum(float(number) * unit for number, unit in groups if number)
    if seconds > _LONGEST_S:
        raise ValueError("longer than a year")
    return Seconds(seconds)


def parse_offset(text: str) -> Seconds:
    """Seconds from T-0, negative before it, from `T-45m`, `T+0`, `T+1h`, `T`.

    Raises `ValueError` with what is wrong, in a few words.
    """
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise ValueError("not an offset from T-0")
    sign, rest = match.groups()
    if sign is None:
        return Seconds(0)
    try:
        seconds = parse_duration(rest)
    except ValueError as error:
        raise ValueError(f"not an offset from T-0: {error}") from None
    return Seconds(-seconds) if sign == "-" and seconds else seconds
