"""The line of every key of a TOML text, against what `tomllib` makes of the same text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from optibid_console.runbook.positions import KeyPath, line_of, positions

AWKWARD = '''\
# [not.a.table]
top = 1 # [nor.this]

[window]
name = "a # no comment = \\" ["
literal = 'c:\\'
"quoted key" = true
'literal.key' = 2024-01-01T00:00:00Z
"\\u00e9\\U0001F600\\\\" = 1
dotted.a."b.c" = 1
dotted . a . d = 2

text = """
[fake]
x = "1"
\\""" still """"
raw = \'\'\'
''two'' quotes [[fake]] \'\'\'
after_texts = 1

list = [
    1, 2,   # ] comment
    "three ]",
    [4, [5]],
    { a = 1, b.c = [ 1,
      2 ] },
]
inline = { x = { y = 1 }, "z w" = "}" }
empty = [ ]
none = {}
infinity = -inf

[[phases]]
id = "one"
[[phases.steps]]
id = "a"
[[phases.steps]]
id = "b"
[phases.steps.extra]
deep = 1
[[phases]]
id = "two"
  [[ phases . steps ]]
  id = "c"

[a.b.c]
d = 1
[a]
e = 2'''


def paths_of(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from paths_of(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from paths_of(one, (*path, index))


def test_every_key_has_a_position_and_nothing_else_has_one() -> None:
    assert set(positions(AWKWARD)) == set(paths_of(tomllib.loads(AWKWARD)))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_of_a_key_has_the_key(end: str) -> None:
    lines = AWKWARD.split("\n")
    for path, line in positions(AWKWARD.replace("\n", end)).items():
        key = path[-1]
        if isinstance(key, str) and key.isascii() and "\\" not in key:
            assert key in lines[line - 1], path


@pytest.mark.parametrize(
    ("path", "start"),
    [
        (("phases", 0, "steps", 1, "id"), 'id = "b"'),
        (("phases", 1, "steps", 0, "id"), '  id = "c"'),
        (("phases", 0, "steps", 1, "extra", "deep"), "deep = 1"),
        (("window", "list", 2), '    "three ]"'),
        (("window", "list", 3, 1, 0), "    [4, [5]]"),
        (("window", "list", 4, "b", "c", 1), "      2 ] },"),
        (("window", "after_texts"), "after_texts"),
        (("window", "dotted", "a", "d"), "dotted . a . d"),
        (("window", "inline", "x", "y"), "inline"),
        (("a", "b", "c", "d"), "d = 1"),
        (("a", "e"), "e = 2"),
    ],
)
def test_lines_of_awkward_keys(path: KeyPath, start: str) -> None:
    line = line_of(positions(AWKWARD), path)
    assert AWKWARD.split("\n")[line - 1].startswith(start)


def test_a_key_that_is_not_there_has_its_nearest_parents_line() -> None:
    found = positions(AWKWARD)
    assert line_of(found, ("phases", 1, "steps", 0, "run", 3)) == found["phases", 1, "steps", 0]
    assert line_of(found, ("nowhere",)) == 0


KEYS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.text(st.characters(blacklist_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_any_document_has_the_positions_that_tomllib_has_keys(
    document: dict[str, Any], multiline: bool
) -> None:
    text = tomli_w.dumps(document, multiline_strings=multiline)
    assert set(positions(text)) == set(paths_of(tomllib.loads(text)))
