"""Here-documents of a shell text: how one is announced and where its body ends.

POSIX.1-2017, Shell Command Language, 2.7.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPERATOR = re.compile(r"<<(-?)[ \t]*((?:[^\s'\"\\;&|<>()$`]|\\.|'[^'\n]*'|\"[^\"\n]*\")+)")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document that was announced: its body begins on the next line."""

    delimiter: str
    quoted: bool
    """Its delimiter has quotes: the body is taken as it stands."""
    strips_tabs: bool
    length: int
    """How many characters announce it."""

    def body_end(self, text: str, start: int) -> int:
        """The index after the line that ends the body; the text's length when none does."""
        at = start
        while at < len(text):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            line = text[at:end]
            at = min(end + 1, len(text))
            if (line.lstrip("\t") if self.strips_tabs else line) == self.delimiter:
                break
        return at

    def is_ambiguous(self, body: str) -> bool:
        """Whether a line break that is escaped could hide the end of the body."""
        return not self.quoted and "\\\n" in body


def heredoc_at(text: str, at: int) -> Heredoc | None:
    """The here-document that `<<` at this index announces."""
    match = _OPERATOR.match(text, at)
    if match is None:
        return None
    delimiter = re.sub(r"\\(.)|['\"]", r"\1", match[2])
    return Heredoc(delimiter, delimiter != match[2], match[1] == "-", len(match[0]))
