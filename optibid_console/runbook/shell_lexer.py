"""Where `${NAME}` stands in a shell text: bare, in quotes, or where nothing is safe.

Reads just enough of the shell's grammar (POSIX.1-2017, Shell Command Language, 2.3) to
know the quoting at each reference. Where dash and bash read a text differently, or
where reading on would be a guess, the references that follow are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from optibid_console.runbook.shell_heredocs import Heredoc, heredoc_at
from optibid_console.runbook.shell_words import Words

NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)+|[A-Za-z_][A-Za-z0-9_]*"

_REFERENCE = re.compile(rf"\$?\$\{{({NAME})\}}")
_BACKTICKED = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)
_SHIFT_OR_HEREDOC = re.compile(r"<<-?[ \t]*[^\s\d$(]")

_BACKTICKS = "can't stand in backticks: use $( ) instead"
_HEREDOC_BODY = "can't stand in a here-document: pipe it in with printf '%s'"
_ARITHMETIC = "can't stand in arithmetic: assign it to a variable first"
_EXPANSION = "can't stand inside another ${ }: assign it to a variable first"
_UNSURE = "stands where its quoting is not certain: {} before it; write that differently"


class Place(Enum):
    """How a reference is quoted where it stands."""

    BARE = auto()
    SINGLE = auto()
    DOUBLE = auto()


@dataclass(frozen=True, slots=True)
class Spot:
    """A reference in a shell text."""

    name: str
    start: int
    end: int
    place: Place
    escaped: bool = False
    """It is written `$${NAME}`: the shell's own."""
    refusal: str = ""
    """Why no value can stand here; empty: one can."""


def spots(text: str) -> list[Spot]:
    """The references in a shell text, in order; those in comments are none."""
    if "${" not in text:
        return []
    lexer = _Lexer(text)
    lexer.read()
    return lexer.found


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command of a shell text."""

    words: tuple[str, ...]
    """Without their quotes; `?` stands for what is filled in."""
    into: tuple[str, ...] = ()
    """The files that its output is redirected into."""


def commands(text: str) -> list[Command]:
    """The simple commands of a shell text as far as they can be told, also those in `$( )`.

    Each ends before the one around it does. What stands in quotes is one word: what a second
    shell reads is not looked into.
    """
    lexer = _Lexer(text)
    lexer.read()
    return lexer.commands


class _Mode(Enum):
    COMMAND = auto()
    DOUBLE = auto()
    EXPANSION = auto()
    ARITHMETIC = auto()


@dataclass(slots=True)
class _Frame:
    mode: _Mode
    substitution: bool = False
    """It is `$( )`, whose end a `case` pattern's `)` would hide."""
    depth: int = 0
    words: Words = field(default_factory=Words)


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: list[Spot] = []
        self.frames = [_Frame(_Mode.COMMAND)]
        self.heredocs: list[tuple[Heredoc, int]] = []
        self.unsure = ""
        self.commands: list[Command] = []

    def read(self) -> None:
        while self.at < len(self.text):
            mode = self.frames[-1].mode
            if mode is _Mode.COMMAND:
                self._command()
            elif mode is _Mode.DOUBLE:
                self._double()
            else:
                self._nested(mode)
        if len(self.frames) > 1:
            self._doubt_all("a quote or bracket that is never closed")
        for frame in reversed(self.frames):
            self._end_command(frame)

    def _command(self) -> None:
        frame = self.frames[-1]
        char = self.text[self.at]
        if char in " \t":
            self._end_word(frame)
            self.at += 1
        elif char == "\n":
            self._end_command(frame)
            self.at += 1
            self._heredoc_bodies()
        elif char == "#" and not frame.words.begun:
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        elif self.text.startswith("&>", self.at):
            self._end_word(frame)
            self.at += 1
        elif char in ";&|":
            self._end_command(frame)
            self.at += 1
        elif char in "<>":
            self._redirection(frame)
        elif char == "(":
            self._end_command(frame)
            self._open_bracket()
        elif char == ")":
            self._end_command(frame)
            self.at += 1
            if len(self.frames) > 1:
                self._close()
        else:
            self._quoting(frame, char)

    def _quoting(self, frame: _Frame, char: str) -> None:
        """A word's next piece; also in expansions and arithmetic."""
        if char == "\\":
            piece = self.text[self.at : self.at + 2]
            if piece != "\\\n":
                self._extend(frame, piece[1:])
            self.at += 2
        elif char == "'":
            self._single(frame)
        elif char == '"':
            self._extend(frame, "")
            self._open(_Frame(_Mode.DOUBLE), 1)
        elif char == "`":
            self._backticks(frame)
        elif char == "$":
            self._dollar(frame, Place.BARE)
        else:
            self._extend(frame, char)
            self.at += 1

    def _double(self) -> None:
        frame = self.frames[-1]
        char = self.text[self.at]
        if char == '"':
            self.at += 1
            self._close()
        elif char == "\\":
            self._extend(frame, self.text[self.at + 1 : self.at + 2])
            self.at += 2
        elif char == "`":
            self._backticks(frame)
        elif char == "$":
            self._dollar(frame, Place.DOUBLE)
        else:
            self._extend(frame, char)
            self.at += 1

    def _nested(self, mode: _Mode) -> None:
        """`${ … }` and `$(( … ))`: only their end and their quotes matter."""
        frame = self.frames[-1]
        char = self.text[self.at]
        if mode is _Mode.EXPANSION:
            if char == "}":
                self.at += 1
                self._close()
                return
            if char in "'\"" and any(one.mode is _Mode.DOUBLE for one in self.frames):
                self._doubt('a quote within "${ }"')
        else:
            if char in "()":
                self.at += 1
                frame.depth += 1 if char == "(" else -1
                if frame.depth == 0:
                    self._close()
                return
            if char == "#" or _SHIFT_OR_HEREDOC.match(self.text, self.at):
                self._doubt("a # or << within (( ))")
        self._quoting(frame, char)
        if frame.words.word.endswith("case"):
            self._doubt_case(frame)

    def _dollar(self, frame: _Frame, place: Place) -> None:
        rest = self.text[self.at + 1 : self.at + 3]
        if self._reference(place):
            self._extend(frame, "?")
        elif rest == "((":
            self._extend(frame, "?")
            self._open(_Frame(_Mode.ARITHMETIC, depth=2), 3)
        elif rest[:1] == "(":
            self._extend(frame, "?")
            self._open(_Frame(_Mode.COMMAND, substitution=True), 2)
        elif rest[:1] == "{":
            self._extend(frame, "?")
            self._open(_Frame(_Mode.EXPANSION), 2)
        else:
            if rest[:1] == "'" and place is Place.BARE:
                self._doubt("$'…', which not every shell has,")
            self._extend(frame, "$")
            self.at += 2 if rest[:1] in ("#", "$", "?", "@", "*", "!", "-") else 1

    def _reference(self, place: Place) -> bool:
        """Note the reference that begins here, if one does."""
        match = _REFERENCE.match(self.text, self.at)
        if match is None:
            return False
        self._note(match, place, self._refusal())
        self.at = match.end()
        return True

    def _note(self, match: re.Match[str], place: Place, refusal: str) -> None:
        escaped = match[0].startswith("$$")
        if escaped and refusal != _HEREDOC_BODY and not self.unsure:
            refusal = ""
        self.found.append(Spot(match[1], match.start(), match.end(), place, escaped, refusal))

    def _refusal(self) -> str:
        if self.unsure:
            return _UNSURE.format(self.unsure)
        for frame in self.frames:
            if frame.mode is _Mode.EXPANSION:
                return _EXPANSION
            if frame.mode is _Mode.ARITHMETIC:
                return _ARITHMETIC
            if refusal := frame.words.refusal():
                return refusal
        return ""

    def _single(self, frame: _Frame) -> None:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self._doubt("a quote that is never closed")
            end = len(self.text)
        refusal = self._refusal()
        for match in _REFERENCE.finditer(self.text, self.at + 1, end):
            self._note(match, Place.SINGLE, refusal)
        self._extend(frame, self.text[self.at + 1 : end])
        self.at = end + 1

    def _backticks(self, frame: _Frame) -> None:
        match = _BACKTICKED.match(self.text, self.at)
        if match is None:
            self._doubt("a backtick that is never closed")
        end = match.end() if match else len(self.text)
        self._refuse_between(self.at, end, _BACKTICKS)
        self._extend(frame, "?")
        self.at = end

    def _redirection(self, frame: _Frame) -> None:
        self._end_word(frame)
        if self.text.startswith("<<<", self.at):
            self.at += 3
            return
        heredoc = heredoc_at(self.text, self.at)
        if heredoc:
            self.heredocs.append((heredoc, len(self.frames)))
            self.at += heredoc.length
            return
        frame.words.aside = True
        frame.words.into = self.text[self.at] == ">"
        if self.text.startswith("<<", self.at):
            self._doubt("a here-document without a plain end word")
        self.at += 1
        if self.text[self.at : self.at + 1] in ("&", "|", ">"):
            frame.words.into &= self.text[self.at] != "&"
            self.at += 1

    def _heredoc_bodies(self) -> None:
        for heredoc, depth in self.heredocs:
            if depth != len(self.frames):
                self._doubt("a here-document that begins outside these brackets")
            start = self.at
            self.at = heredoc.body_end(self.text, start)
            if heredoc.is_ambiguous(self.text[start : self.at]):
                self._doubt("a line of a here-document that ends with \\")
            self._refuse_between(start, self.at, _HEREDOC_BODY)
        self.heredocs.clear()

    def _refuse_between(self, start: int, end: int, refusal: str) -> None:
        for match in _REFERENCE.finditer(self.text, start, end):
            self._note(match, Place.BARE, refusal)

    def _open_bracket(self) -> None:
        if self.text.startswith("((", self.at):
            self._open(_Frame(_Mode.ARITHMETIC, depth=2), 2)
        else:
            inside = self.frames[-1].substitution
            self._open(_Frame(_Mode.COMMAND, substitution=inside), 1)

    def _open(self, frame: _Frame, length: int) -> None:
        self.frames.append(frame)
        self.at += length

    def _close(self) -> None:
        closed = self.frames.pop()
        if closed.mode is _Mode.DOUBLE:
            self._extend(self.frames[-1], closed.words.word)

    def _extend(self, frame: _Frame, piece: str) -> None:
        if self.heredocs and "\n" in piece:
            self._doubt("a line break in quotes beside a here-document")
        frame.words.extend(piece)

    def _end_word(self, frame: _Frame) -> None:
        if frame.words.end_word() == "case":
            self._doubt_case(frame)

    def _end_command(self, frame: _Frame) -> None:
        if frame.words.end_command() == "case":
            self._doubt_case(frame)
        words, into = frame.words.take_command()
        if words or into:
            self.commands.append(Command(words, into))

    def _doubt(self, why: str) -> None:
        """From here on nothing is sure."""
        self.unsure = self.unsure or why

    def _doubt_case(self, frame: _Frame) -> None:
        if frame.substitution or frame.mode is _Mode.ARITHMETIC:
            self._doubt("case within $( )")

    def _doubt_all(self, why: str) -> None:
        doubt = _UNSURE.format(why)
        self.found = [one if one.refusal else replace(one, refusal=doubt) for one in self.found]
