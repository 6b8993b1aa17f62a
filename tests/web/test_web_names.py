"""By which names a page may be asked for, and from where."""

from __future__ import annotations

import pytest

from optibid_console.web.names import Names


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8000", True),
        ("localhost:8000", True),
        ("[::1]:8000", True),
        ("10.1.2.3:8000", True),
        ("window.example", True),
        ("WINDOW.example:8000", True),
        ("window.example:443", True),
        ("evil.example:8000", False),
        ("127.0.0.1.evil.example:8000", False),
        ("localhost.evil.example:8000", False),
        ("127.0.0.1:8001", False),
        ("127.0.0.1", False),
        ("localhost", False),
        ("user@127.0.0.1:8000", False),
        ("127.0.0.1:8000/x", False),
        ("127.0.0.1:99999", False),
        ("[::1:8000", False),
        ("", False),
    ],
)
def test_only_addresses_and_given_names_are_ours(host: str, ours: bool) -> None:
    names = Names("0.0.0.0", 8000, ["window.example"], tls=False)
    assert names.is_ours(host) is ours


def test_the_name_that_it_listens_on_is_given() -> None:
    assert Names("deploy-1", 8000, tls=True).is_ours("deploy-1:8000")


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("https://127.0.0.1:8000", "127.0.0.1:8000", False),
        ("http://localhost:8000", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False),
        ("http://evil.example", "127.0.0.1:8000", False),
        ("https://window.example", "window.example", True),
        ("https://window.example.evil", "window.example", False),
        ("null", "127.0.0.1:8000", False),
        ("", "127.0.0.1:8000", False),
    ],
)
def test_only_its_own_pages_may_ask(origin: str, host: str, own: bool) -> None:
    names = Names("127.0.0.1", 8000, ["window.example"], tls=False)
    assert names.is_own_origin(origin, host) is own
