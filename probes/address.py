"""Is a text an address over HTTP? What settings say of one that isn't."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from probes.text import one_line


def url_problems(url: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a `url` setting: key and message, or nothing."""
    if "${" in url:  # filled in later
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that isn't closed
        good = False
    if not good:
        yield "url", f"not an http:// or https:// address: {one_line(url)!r}"
