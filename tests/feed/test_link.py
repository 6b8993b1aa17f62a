"""The link with which a window is watched, and the certificate that it names."""

from __future__ import annotations

import stat

import pytest

from optibid_console.feed.certificate import own_certificate, server_context
from optibid_console.feed.link import BadLink, Link, parse_link, split_address
from optibid_console.source import SourceError
from tests.feed.observing import own_state

WITHIN_S = 30


def test_the_certificate_is_made_once_and_only_its_owner_reads_it(tmp_path, monkeypatch) -> None:
    own_state(tmp_path, monkeypatch)
    path = own_certificate()
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert own_certificate().read_bytes() == before
    assert server_context()[1] == server_context(str(path))[1]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nx\n"])
def test_a_certificate_that_is_none_is_an_error_that_names_it(tmp_path, content) -> None:
    (tmp_path / "c.pem").write_text(content)
    with pytest.raises(SourceError, match=r"c\.pem can't be used as certificate"):
        server_context(str(tmp_path / "c.pem"))


def test_a_link_says_all_and_shows_no_token_in_its_repr() -> None:
    link = Link("deploy-1", 7443, "t" * 43, "f" * 43)
    assert link.text() == f"optibid://deploy-1:7443/#{'t' * 43}@{'f' * 43}"
    assert parse_link(link.text()) == link
    plain = Link("::1", 80, "t" * 43)
    assert plain.text() == f"optibid+plain://[::1]:80/#{'t' * 43}"
    assert parse_link(f" {plain.text()}\n") == plain
    assert "ttt" not in repr(link)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "https://h:1/#" + "t" * 43, "optibid://h/#" + "t" * 43, "optibid://h:1/",
     "optibid://h:1/#" + "t" * 43, "optibid://h:1/#" + "t" * 42 + "@" + "f" * 43,
     "optibid://h:99999/#" + "t" * 43, "optibid://u@h:1/#" + "t" * 43 + "@" + "f" * 43,
     "optibid+plain://h:1/#" + "t" * 43 + "@", "optibid://[::1/#" + "t" * 43],
)  # fmt: skip
def test_what_is_no_link_is_refused_and_its_token_never_shown(text) -> None:
    with pytest.raises(BadLink) as refused:
        parse_link(text)
    assert "ttt" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [("h", ("h", 7443)), ("h:1", ("h", 1)), (":5", ("0.0.0.0", 5)), ("[::1]:8", ("::1", 8))],
)
def test_an_address_may_leave_out_its_host_or_its_port(text, address) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize("text", ["", "h:x", "h:1/x", "u@h:1", "h:70000"])
def test_what_is_no_address_is_refused(text) -> None:
    with pytest.raises(ValueError, match="no HOST:PORT"):
        split_address(text)
