"""The text format is read strictly, and selectors match as PromQL's do."""

from __future__ import annotations

import pytest

from probes.exposition import (
    ExpositionError,
    PageParser,
    Sample,
    parse_line,
    parse_selector,
)

DOCUMENTED = b"""\
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
file_time_seconds{path="C:\\\\DIR\\\\FILE.TXT",error="Not found:\\n\\"FILE.TXT\\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045
http_request_duration_seconds_bucket{le="0.05"} 24054
"""  # prometheus.io/docs/instrumenting/exposition_formats


def read(page: bytes, *names: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    parser = PageParser(names)
    parser.feed(page)
    return {name: dict(series) for name, series in parser.close().items()}


def test_the_documentations_own_example() -> None:
    found = read(DOCUMENTED, "http_requests_total", "file_time_seconds", "gone")
    assert found["http_requests_total"] == {
        (("code", "200"), ("method", "post")): 1027,
        (("code", "400"), ("method", "post")): 3,
    }
    ((labels, value),) = found["file_time_seconds"].items()
    assert dict(labels) == {"path": r"C:\DIR\FILE.TXT", "error": 'Not found:\n"FILE.TXT"'}
    assert value == 1.458255915e9
    assert found["gone"] == {}


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ("a 1", Sample("a", (), 1)),
        ("a:b_c{} -1.5e-3", Sample("a:b_c", (), -0.0015)),
        ('a{b="}",c="{#",} 2', Sample("a", (("b", "}"), ("c", "{#")), 2)),
        ('a { b = "c" } 3', Sample("a", (("b", "c"),), 3)),
        ("a -Inf", Sample("a", (), float("-inf"))),
        ('a{le="1"} 4 # {trace="x"} 0.7 1.5', Sample("a", (("le", "1"),), 4)),
        ('a{b="é"} 1', Sample("a", (("b", "é"),), 1)),
    ],
)
def test_lines(line: str, sample: Sample) -> None:
    assert parse_line(line) == sample


@pytest.mark.parametrize(
    "line",
    ["a", "a one", "a 1_000", "1a 2", 'a{b="c} 1', "a{b=c} 1", 'a{b="c" d="e"} 1', "a 0x10 1 2",
     'a{b="1",b="2"} 1', "<html>", "a{,} 1"],
)  # fmt: skip
def test_garbage_is_refused(line: str) -> None:
    with pytest.raises(ExpositionError):
        parse_line(line)


def test_a_page_may_come_in_any_pieces() -> None:
    whole = read(DOCUMENTED, "http_requests_total")
    for size in (1, 7, 100):
        parser = PageParser(["http_requests_total"])
        for at in range(0, len(DOCUMENTED), size):
            parser.feed(DOCUMENTED[at : at + size])
        assert parser.close() == whole


def test_names_match_whole() -> None:
    page = b"up 1\nuptime 2\nup_total 3\n"
    assert read(page, "up") == {"up": {(): 1}}


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"<!doctype html>\n<html>\n", "line 1: not a sample: <!doctype html>"),
        (b"a 1\n\x1b[31mb 2\n", "line 2: not a sample: b 2"),
        (b"a 1\na 2\n", "line 2: a second value for a 2"),
        (b"b 1\na 1\na 2", "line 3: the page ends in the middle of a line: a 2"),
        (b"b 1\n" * 30 + b"a \xff\n", "line 31: not UTF-8"),
        (b"x" * 2_000_000, "line 1: longer than 64 KiB"),
    ],
)
def test_a_bad_page_names_its_line(page: bytes, words: str) -> None:
    with pytest.raises(ExpositionError) as error:
        read(page, "a")
    assert str(error.value) == words


@pytest.mark.parametrize(
    ("selector", "labels", "is_accepted"),
    [
        ("a", {}, True),
        ('a{status="500"}', {"status": "500"}, True),
        ('a{status!="500"}', {"status": "500"}, False),
        ('a{status!="500"}', {}, True),
        ('a{status=~"5.."}', {"status": "503"}, True),
        ('a{status=~"5.."}', {"status": "1503"}, False),
        ('a{status=~"5.."}', {}, False),
        ('a{status!~"5..", method="GET"}', {"status": "200", "method": "GET"}, True),
        ('a{path="C:\\\\x"}', {"path": "C:\\x"}, True),
        ('a{path=~"/(a|b),c"}', {"path": "/b,c"}, True),
    ],
)
def test_selectors(selector: str, labels: dict[str, str], is_accepted: bool) -> None:
    assert parse_selector(selector).accepts(tuple(sorted(labels.items()))) is is_accepted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rate(a[1m])", "is not a metric name"),
        ('a{b~"c"}', "no label matcher at"),
        ('a{b=~"("}', "bad pattern"),
        ("", "is not a metric name"),
    ],
)
def test_bad_selectors_say_why(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        parse_selector(text)
