"""Numbers with their units, as people read them."""

from __future__ import annotations

from collections.abc import Mapping

_SUFFIX: Mapping[str, str] = {"ms": " ms", "s": " s", "percent": " %", "per_s": "/s"}
_SIZES = ("B", "kB", "MB", "GB", "TB")


def format_value(value: float | None, unit: str) -> str:
    """`182 ms`, `0.4 %` (a ratio too), `1204`, `3.2/s`, `12 MB`; `no data` for None."""
    if value is None:
        return "no data"
    if unit == "bytes":
        return format_bytes(value)
    if unit == "ratio":
        return f"{_short(value * 100)} %"
    return f"{_short(value)}{_SUFFIX.get(unit, '')}"


def format_bytes(size: float) -> str:
    """`512 B`, `38 MB`: powers of 1000."""
    for name in _SIZES:
        if abs(size) < 1000 or name == _SIZES[-1]:
            return f"{_short(size)} {name}"
        size /= 1000
    raise AssertionError("unreachable")


def _short(number: float) -> str:
    if abs(number) >= 100:
        return f"{number:.0f}"
    if abs(number) >= 1:
        return f"{number:.1f}".removesuffix(".0")
    return f"{number:.2g}"
