"""What RE2 lacks, or reads otherwise than Python's `re` does, found in a pattern. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from probes.text import one_line


@dataclass(frozen=True, slots=True)
class _Token:
    """An element of a pattern: an escape, a class, an opened group, a repeat or a character."""

    at: int
    text: str


_GROUPS = (
    ("(?=", "look-ahead", "match what follows as part of the pattern"),
    ("(?!", "negative look-ahead", "name what is wanted instead of what isn't"),
    ("(?<=", "look-behind", "match what stands before as part of the pattern; `number` reads"
     " only the first group"),
    ("(?<!", "negative look-behind", "name what may stand before, such as (?:^|[^0-9])"),
    ("(?>", "atomic groups", "write (?:…): there is no backtracking to prevent"),
    ("(?P=", "backreferences", "write the values out, or compare in the command or query itself"),
    ("(?(", "conditional groups", "write both cases with |"),
    ("(?#", "comments", "leave it out, or put it into a TOML comment"),
)  # fmt: skip
_FLAGS = "aLux"
_ESCAPES = {
    "Z": r"write \z",
    "u": r"write \x{…} with the hexadecimal code, or the character itself",
    "U": r"write \x{…} with the hexadecimal code, or the character itself",
    "N": "write the character itself",
    "e": r"write \x1b",
    "h": r"write [ \t]",
    "R": r"write \r?\n",
    "K": "take it out: there is nothing to keep back",
    "C": "write . instead: half a character is never matched",
}


def explained(pattern: str, error: object = "") -> str:
    """Returns why `pattern` can't be used, with its position; empty when nothing is known.

    `error` is RE2's own reason, a text or bytes; without one, only what RE2 would read otherwise
    than it was meant is told.
    """
    for token in _tokens(pattern):
        if words := _lacking(token):
            return f"{words} (position {token.at} of {one_line(pattern, 80)!r})"
    if not error:
        return ""
    said = error.decode("utf-8", "replace") if isinstance(error, bytes) else str(error)
    return f"not a regular expression: {_translated(said, pattern)}: {one_line(pattern, 80)!r}"


def _lacking(token: _Token) -> str:
    text = token.text
    for opening, name, instead in _GROUPS:
        if text == opening:
            return f"RE2 has no {name} {opening}…): {instead}"
    is_named = text.startswith(("(?P", "(?<"))
    if text.startswith("(?") and not is_named and (flags := sorted(set(text) & set(_FLAGS))):
        return f"RE2 has no flag {flags[0]}: its flags are i, m, s and U"
    if text[:1] == "\\" and text[1:] in _ESCAPES:
        return f"RE2 has no {text}: {_ESCAPES[text[1:]]}"
    if text[:1] == "\\" and text[1:].isdecimal() and not text.startswith("\\0"):
        return (
            f"RE2 has no backreferences {text}: write the values out, or compare in the command"
            " or query itself"
        )
    if len(text) > 1 and text[0] in "*+?{" and text[-1] == "+":
        return (
            f"RE2 has no possessive quantifiers {text[-2:]}: leave the + out, there is no"
            " backtracking to prevent"
        )
    if text.startswith("{,"):
        return f"RE2 reads {text} as these very characters: write {{0{text[1:]}"
    return ""


def _tokens(pattern: str) -> Iterator[_Token]:
    at = 0
    while at < len(pattern):
        end = _end_of(pattern, at)
        yield _Token(at, pattern[at:end])
        at = end


def _end_of(pattern: str, at: int) -> int:
    """Returns where the token that begins at `at` ends."""
    rest = pattern[at : at + 8]
    if rest.startswith("\\Q"):
        end = pattern.find("\\E", at)
        return len(pattern) if end < 0 else end + 2
    if rest[0] == "\\":
        digits = 1 + len(rest[1:3]) - len(rest[1:3].lstrip("0123456789"))
        return min(len(pattern), at + max(2, digits))
    if rest[0] == "[":
        return _class_end(pattern, at)
    if rest.startswith("(?"):
        return _group_end(pattern, at)
    if rest[0] in "*+?" or (rest[0] == "{" and _is_repeat(pattern, at)):
        end = pattern.index("}", at) + 1 if rest[0] == "{" else at + 1
        if pattern[at:end].startswith("{,"):
            return end
        return end + (pattern[end : end + 1] == "+")
    return at + 1


def _is_repeat(pattern: str, at: int) -> bool:
    end = pattern.find("}", at, at + 24)
    inside = pattern[at + 1 : end] if end > 0 else ""
    return bool(inside) and inside != "," and all(one in "0123456789," for one in inside)


def _class_end(pattern: str, at: int) -> int:
    index = at + 1 + (pattern[at + 1 : at + 2] == "^")
    index += pattern[index : index + 1] == "]"
    while index < len(pattern) and pattern[index] != "]":
        if pattern.startswith("[:", index) and (end := pattern.find(":]", index)) > 0:
            index = end + 1
        index += 2 if pattern[index] == "\\" else 1
    return min(len(pattern), index + 1)


def _group_end(pattern: str, at: int) -> int:
    for opening in sorted((one for one, _, _ in _GROUPS), key=len, reverse=True):
        if pattern.startswith(opening, at):
            return at + len(opening)
    index = at + 2
    if pattern[index : index + 1] in ("P", "<"):
        end = pattern.find(">", index)
        return len(pattern) if end < 0 else end + 1
    while index < len(pattern) and (pattern[index].isalpha() or pattern[index] == "-"):
        index += 1
    return index + (pattern[index : index + 1] == ":")


_SAYINGS = (
    ("missing )", "a ( is never closed"),
    ("unexpected )", "a ) closes nothing"),
    ("missing ]", "a [ is never closed"),
    ("no argument for repetition operator", "nothing stands before the repeat"),
    ("bad repetition operator", "a repeat of a repeat: put (?:…) around the first"),
    ("invalid repetition size", "a repeat counts to 1000 at most, also as the product of repeats"
     " in repeats"),
    ("invalid escape sequence", "no such escape"),
    ("trailing \\", "it ends with a \\: write \\\\ for the character itself"),
    ("invalid character class range", "a range that ends before it begins, or no such class"),
    ("pattern too large", "too large: shorten its repeats {n,m} and its \\p{…} classes"),
    ("invalid perl operator", "no such group"),
    ("invalid group name", "a group's name has letters, digits and _"),
    ("duplicate group name", "two groups have one name"),
)  # fmt: skip


def _translated(said: str, pattern: str) -> str:
    """Returns RE2's reason in our words, with the part that it names and where that stands."""
    reason, _, part = said.partition(": ")
    words = next((ours for theirs, ours in _SAYINGS if reason.startswith(theirs)), reason)
    at = pattern.find(part) if part and part != pattern else -1
    place = f" (position {at})" if at >= 0 else ""
    return f"{words}: {one_line(part, 40)}{place}" if part and part != pattern else words


_SAMPLES = {"d": "1", "w": "a", "s": " ", "n": "\n", "t": "\t", "D": "x", "S": "x", "W": "-"}


def sample(pattern: str) -> str:
    """Returns characters that `pattern` accepts in about this order: each of its elements once."""
    return "".join(_accepted(token.text) for token in _tokens(pattern))[:200]


def _accepted(token: str) -> str:
    if token[0] == "[":
        return _of_class(token)
    if token[0] == "\\":
        return _SAMPLES.get(token[1:2], "" if token[1:2].isalnum() else token[1:2])
    if token == ".":
        return "q"
    return "" if token[0] in "^$*+?{|()" else token


def _of_class(token: str) -> str:
    inside = token[1:-1]
    if inside.startswith("^"):
        return next((one for one in "ax1 -~" if one not in inside), "\u00e9")
    if inside.startswith("\\"):
        return sample(inside[:2]) or "a"
    if inside.startswith("[:"):
        return "a"
    return "".join(dict.fromkeys(one for one in inside if one not in "-\\"))[:3] or "-"
