"""Which words of a shell command are read a second time, as shell text or arithmetic.

What stands in them is quoted for this shell only, so no value may be put there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto

SECOND_SHELL = (
    "can't stand in text that a second shell reads: "
    "hand it over as an argument, as in sh -c 'cmd \"$1\"' sh ${NAME}"
)
COMPUTED = "can't stand in [[ ]] or let, where bash computes it: use [ ]"

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "su", "runuser", "$SHELL"})
_READS_ITS_WORDS = frozenset({"eval", "ssh", "trap", "watch", "parallel"})
_COMPUTES = frozenset({"[[", "let"})
_SCRIPT_FLAG = re.compile(r"-[A-Za-z]*c")
_OPTION_WITH_WORD = re.compile(r"[-+][A-Za-z]*o")


class _Next(Enum):
    """What the words so far make of the word that comes."""

    ARGUMENT = auto()
    OF_A_SHELL = auto()
    SCRIPT = auto()
    SCRIPT_FOR_GOOD = auto()


@dataclass(slots=True)
class Words:
    """The words of one command, as they go by."""

    word: str = ""
    """The word under way, without its quotes."""
    begun: bool = False
    aside: bool = False
    """The word that comes is a redirection's file or an option's value."""
    into: bool = False
    """The word that comes is a file that is written to."""
    line: list[str] = field(default_factory=list)
    """The command's words until now, without their quotes and without redirections."""
    files: list[str] = field(default_factory=list)
    """What the command's output goes into."""
    _next: _Next = _Next.ARGUMENT
    _computed: bool = False

    def refusal(self) -> str:
        """Why no value can stand in the word under way; empty: one can."""
        if self._computed:
            return COMPUTED
        return SECOND_SHELL if self._next in (_Next.SCRIPT, _Next.SCRIPT_FOR_GOOD) else ""

    def extend(self, piece: str) -> None:
        self.word += piece
        self.begun = True

    def end_word(self) -> str:
        """The word that ends here, without the directories before a command's name."""
        if not self.begun:
            return ""
        self._keep()
        word = self.word.rpartition("/")[2]
        if word in _COMPUTES or word == "]]":
            self._computed = word != "]]"
        if not self.aside:
            self._next = _after(self._next, word)
        takes_word = _OPTION_WITH_WORD.fullmatch(word) is not None
        self.aside = takes_word and self._next is not _Next.ARGUMENT
        self.word = ""
        self.begun = False
        return word

    def end_command(self) -> str:
        """As `end_word`, and what comes is another command."""
        word = self.end_word()
        self._next = _Next.ARGUMENT
        self.aside = False
        self.into = False
        return word

    def take_command(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The words of the command that has ended, and the files that it writes to."""
        taken = tuple(self.line), tuple(self.files)
        self.line.clear()
        self.files.clear()
        return taken

    def _keep(self) -> None:
        if self.into:
            self.files.append(self.word)
        elif not (self.aside and self._next is _Next.ARGUMENT):
            self.line.append(self.word)
        self.into = False


def _after(now: _Next, word: str) -> _Next:
    if now is _Next.SCRIPT_FOR_GOOD or word in _READS_ITS_WORDS:
        return _Next.SCRIPT_FOR_GOOD
    if word in _SHELLS:
        return _Next.OF_A_SHELL
    if now is _Next.OF_A_SHELL and _SCRIPT_FLAG.fullmatch(word):
        return _Next.SCRIPT
    if now is _Next.SCRIPT and not word.startswith(("-", "+")):
        return _Next.ARGUMENT
    return now
