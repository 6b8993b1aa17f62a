"""A journal's head, the number and hash of its last entry, as it is shown and noted elsewhere.

The chain proves that no entry up to the head was changed, inserted, removed or reordered. It can't
prove that nothing was cut off behind it, nor that the chain wasn't sealed anew from some entry on
by somebody who may write the file: for that the head has to stand where they can't change it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optibid_console.state import WindowState

SHORT_DIGITS = 16
"""64 bits of the hash: nobody finds another entry with the same ones (a second preimage)."""
LEAST_DIGITS = 12
_NOTED = re.compile(rf"(?:([0-9]{{1,15}}):)?([0-9a-f]{{{LEAST_DIGITS},64}})")


@dataclass(frozen=True, slots=True)
class Noted:
    """A head that was noted: of the entry with this number, or of any entry when it is 0."""

    number: int
    digits: str
    """The hash, or at least the first `LEAST_DIGITS` digits of it."""

    def __str__(self) -> str:
        return f"{self.number}:{self.digits}" if self.number else self.digits


def noted_head(text: str) -> Noted | None:
    """Returns the head that `NUMBER:HASH` or `HASH` names; None for anything else."""
    found = _NOTED.fullmatch(text.strip().lower())
    if found is None or found[1] == "0":
        return None
    return Noted(int(found[1] or 0), found[2])


def head_text(state: WindowState) -> str:
    """Returns `NUMBER:HASH` of the window's last entry; empty where none is in the journal for
    good: while a spill holds the last ones, which may get other numbers when it is merged."""
    return f"{state.seq}:{state.head}" if state.seq and not state.spill else ""


def short_head(state: WindowState) -> str:
    """The same with as many digits as suffice to note it."""
    number, found, digest = head_text(state).partition(":")
    return f"{number}:{digest[:SHORT_DIGITS]}" if found else ""
