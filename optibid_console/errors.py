"""The errors that a command prints as one sentence, without a traceback."""

from __future__ import annotations


class SourceError(Exception):
    """The source can't be opened; the message says what, where and what next."""
