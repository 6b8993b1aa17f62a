"""No regular expression of the product itself takes long on a text made against it.

Python's `re` backtracks, so each of our own patterns is tried on what it repeats, repeated, with
an end that doesn't fit. The texts come from the pattern's parse tree.
"""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from re import _parser as sre  # type: ignore[attr-defined]  # the only parser of patterns there is
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("optibid_console", "probes", "screens")
LENGTH = 24_000
MOST_S = 0.1
"""Processor time for one text: a linear pattern takes 1 ms, a quadratic one a second and more."""
CALLS = ("search", "match", "fullmatch", "sub", "split", "finditer", "findall")


Use = tuple[re.Pattern[Any], str]
"""A pattern, and the method that it is used by."""


def of_product() -> Iterator[tuple[str, Use]]:
    """The patterns that modules keep, and those that stand where they are used."""
    for path in sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        text = path.read_text()
        if "re." not in text:
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if "re.compile(" in text:
            module = importlib.import_module(name)
            for key, value in vars(module).items():
                if isinstance(value, re.Pattern):
                    used = re.findall(rf"\b{key}\.({'|'.join(CALLS)})\b", text)
                    for how in sorted(set(used)) or ["match"]:  # given on: `positions._skip`
                        yield f"{name}.{key}.{how}", (value, how)
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in CALLS
                and isinstance(node.args[0], ast.Constant)
            ):
                found = re.compile(node.args[0].value)
                yield f"{name}:{node.func.attr} {found.pattern}", (found, node.func.attr)


USES = dict(of_product())


# From the module that parses patterns for `re`: operators are named by their own str().


def example(tree: Any) -> str:
    """A short text that a parsed pattern accepts, or nearly."""
    return "".join(one_of(op, of) for op, of in tree)


def one_of(op: Any, of: Any) -> str:
    match str(op):
        case "LITERAL":
            return chr(of)
        case "NOT_LITERAL":
            return "b" if chr(of) == "a" else "a"
        case "ANY":
            return "."
        case "IN":
            return member(of)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return example(of[2]) * max(1, of[0])
        case "SUBPATTERN":
            return example(of[3])
        case "BRANCH":
            return example(of[1][0])
        case "ATOMIC_GROUP":
            return example(of)
    return ""  # an anchor or a look around


def member(of: Any) -> str:
    found = re.compile(sre_class(of))
    return next((one for one in "a1 A-_.:/\"'\\\x1b\n~\u00e9\u200b" if found.match(one)), "")


def sre_class(of: Any) -> str:
    parts = []
    for op, value in of:
        match str(op):
            case "NEGATE":
                parts.append("^")
            case "LITERAL":
                parts.append(re.escape(chr(value)))
            case "RANGE":
                parts.append(f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}")
            case "CATEGORY":
                letter = {"DIGIT": "d", "WORD": "w", "SPACE": "s"}[str(value).split("_")[-1]]
                parts.append("\\" + (letter.upper() if "_NOT_" in str(value) else letter))
    return f"[{''.join(parts)}]"


def repeats(tree: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """What stands before each repeat of a pattern, and what it repeats."""
    for op, of in tree:
        name = str(op)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            if of[1] > 10:
                yield before, example(of[2])
            yield from repeats(of[2], before)
        elif name == "SUBPATTERN":
            yield from repeats(of[3], before)
        elif name == "BRANCH":
            for branch in of[1]:
                yield from repeats(branch, before)
        before += one_of(op, of)


def hostile(pattern: re.Pattern[Any]) -> Iterator[str]:
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    tree = sre.parse(text, pattern.flags & (re.VERBOSE | re.DOTALL | re.MULTILINE))
    yield example(tree) * (LENGTH // max(1, len(example(tree))))
    for before, again in dict.fromkeys(repeats(tree)):
        for end in ("\x00", "!", "\n", ""):
            if again:
                yield before + again * (LENGTH // len(again)) + end
            if before:
                yield (before + again) * (LENGTH // len(before + again)) + end


def used(pattern: re.Pattern[Any], how: str, text: Any) -> None:
    nothing = b"" if isinstance(text, bytes) else ""
    found: Any = pattern.sub(nothing, text) if how == "sub" else getattr(pattern, how)(text)
    if how == "finditer":
        for _ in found:
            pass


@pytest.mark.parametrize("name", USES)
def test_no_text_makes_an_own_pattern_slow(name: str) -> None:
    pattern, how = USES[name]
    for text in dict.fromkeys(hostile(pattern)):
        began = time.thread_time()
        used(pattern, how, text.encode() if isinstance(pattern.pattern, bytes) else text)
        took_s = time.thread_time() - began
        assert took_s < MOST_S, f"{how} took {took_s:.2f} s on {text[:60]!r}…"


def test_the_texts_find_a_slow_pattern() -> None:
    slow = re.compile(r"^(\w+\s?)*$")
    assert any("aaaa" in text for text in hostile(slow))
    quadratic = re.compile(r"x*y")
    longest = max(hostile(quadratic), key=len)
    began = time.thread_time()
    quadratic.search(longest)
    assert time.thread_time() - began > MOST_S
