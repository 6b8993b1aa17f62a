"""Patterns of a runbook: what RE2 lacks is said, and no text and no pattern takes long."""

from __future__ import annotations

import time

import pytest

from probes.patterns import MOST_STEPS, PatternError, compiled, hostile_texts, size_problem

RUNAWAYS = (
    r"^(\w+\s?)*$", r"(a+)+$", r"(x+x+)+y", r"(.*)*!", r"(?:a?){50}a{50}b", r"(a|aa)+$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(\d+)*\d+z", r"(?i)(.*?,){11}P", r"x.{20}y",
)  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"^(\d+)/\1$", r"RE2 has no backreferences \1: write the values out"),
        (r"a(?=b)", "RE2 has no look-ahead (?=…): match what follows as part of the pattern"),
        (r"(?!x)a", "RE2 has no negative look-ahead (?!…)"),
        (r"(?<=a)b", "RE2 has no look-behind (?<=…)"),
        (r"a(?<!b)c", "RE2 has no negative look-behind (?<!…)"),
        (r"(?P<n>a)(?P=n)", "RE2 has no backreferences (?P=…)"),
        (r"a++", "RE2 has no possessive quantifiers ++: leave the + out"),
        (r"[a-z]{2}+", "RE2 has no possessive quantifiers }+: leave the + out"),
        (r"(?>a+)b", "RE2 has no atomic groups (?>…): write (?:…)"),
        (r"(?x) a b", "RE2 has no flag x: its flags are i, m, s and U"),
        (r"ok\Z", r"RE2 has no \Z: write \z"),
        (r"\u00e9", r"RE2 has no \u: write \x{…}"),
        (r"a{,3}", "RE2 reads {,3} as these very characters: write {0,3}"),
        ("(", "a ( is never closed"),
        ("a)", "a ) closes nothing"),
        ("[a", "a [ is never closed"),
        ("*a", "nothing stands before the repeat"),
        ("a{1001}", "a repeat counts to 1000 at most"),
        ("(a{100}){100}", "a repeat counts to 1000 at most"),
        ("\\", "it ends with a \\"),
        (r"\pL{500}", "too large: shorten its repeats"),
        ("\ud800", "half a character"),
    ],
)
def test_what_cannot_be_used_is_said_with_what_to_write(
    pattern: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PatternError) as error:
        compiled(pattern)
    assert said in str(error.value)
    assert capfd.readouterr() == ("", ""), "RE2 itself wrote to the terminal"


def test_the_position_is_that_of_the_construct() -> None:
    with pytest.raises(PatternError) as error:
        compiled(r"\((?:a|[(?=])(?=b)")
    assert "(position 13 of " in str(error.value)


@pytest.mark.parametrize(
    "pattern", ["[(?=]", r"\(?=", r"\++", "[a++]", r"(?P<aux>a)", "a{2}?", "x{"]
)
def test_characters_that_only_look_so_are_no_construct(pattern: str) -> None:
    compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\d", "٣", False),  # ASCII only, as the manual says
        (r"\w", "é", False),
        (r"\pL", "é", True),
        (r"(?i)É", "é", True),
        (r"a.c", "aéc", True),
        ("ok$", "ok\n", False),
        ("(?m)ok$", "ok\nmore", True),
        (r"ok\s*$", "ok\n", True),
        ("a", "\ud800a", True),
        ("a.b", "a\ud800b", True),
    ],
)
def test_how_patterns_match(pattern: str, text: str, found: bool) -> None:
    assert compiled(pattern).search(text) is found


def test_lines_case_and_bytes() -> None:
    assert compiled("^ok$", lines=True).search("no\nok\n")
    assert not compiled("^ok$").search("no\nok\n")
    assert compiled("OK", either_case=True).search("ok")
    assert compiled("a.b", of_bytes=True).search(b"a\xffb")
    assert not compiled("a.b").search(b"a\xffb")
    assert compiled(r"(\d+) MB", captures=True).first_group("é 41 MB") == "41"
    assert compiled(r"a|(b)", captures=True).first_group("a") is None


@pytest.mark.parametrize("pattern", RUNAWAYS)
def test_a_megabyte_made_against_a_pattern_is_searched_in_bounded_time(pattern: str) -> None:
    made = compiled(pattern, captures=True)
    for text in hostile_texts(pattern, 1_000_000):
        began = time.thread_time()
        made.search(text)
        assert time.thread_time() - began < 2.0


def test_a_text_that_would_take_too_long_is_refused_unsearched() -> None:
    made = compiled(r"((((a{1,10}){1,10}){1,10}))!", captures=True)
    length = MOST_STEPS // made.steps + 1
    began = time.thread_time()
    with pytest.raises(PatternError, match="was not tried: the text has"):
        made.search("a" * length)
    assert time.thread_time() - began < 0.1
    said = size_problem(made, 1_000_000, "max_bytes")
    assert f"set max_bytes to at most {made.most_bytes}" in said
    assert size_problem(made, made.most_bytes) == ""


def test_hostile_texts_are_made_of_what_the_pattern_accepts() -> None:
    texts = list(hostile_texts(r"^(\w+\s?)*$", 1000))
    assert any(text.startswith(b"a a a") for text in texts)
    assert any(text.startswith(b"aaaa") for text in texts)
    assert all(len(text) == 1000 and text.endswith(b"\x00!") for text in texts)
