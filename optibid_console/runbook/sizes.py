"""Sizes in bytes as config.toml writes them: `"64MB"`, `"512KiB"`."""

from __future__ import annotations

import re
from typing import NewType

ByteSize = NewType("ByteSize", int)
"""A number of bytes. In config.toml it is text: `"64MB"`, `"512KiB"`."""

SIZE = 'a size such as "512KiB", "64MB" or "1GiB"'

_UNITS = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_LARGEST = 2**40


def parse_size(text: str) -> ByteSize:
    """Bytes from `64MB`, `1.5GiB`, `4096B`; a unit of `MB` is 10^6, of `MiB` 2^20.

    Raises `ValueError` with what is wrong, in a few words.
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?([kKMG]i?B|B)", text, re.A)
    if match is None or match[2] not in _UNITS:
        if re.fullmatch(r"\d+", text, re.A):
            raise ValueError("a size needs a unit")
        raise ValueError("not a size")
    size = float(match[1]) * _UNITS[match[2]]
    if size > _LARGEST:
        raise ValueError("larger than 1 TiB")
    return ByteSize(round(size))
