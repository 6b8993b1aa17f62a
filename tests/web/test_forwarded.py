"""By which address a client behind a proxy counts."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from optibid_console.web.forwarded import client_address

PROXIES = frozenset({"10.0.0.7", "fd00::7"})
FAR, XFF, FWD = "198.51.100.1", "X-Forwarded-For", "Forwarded"


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("10.0.0.7", [], "10.0.0.7"),
        ("10.0.0.7", [(XFF, FAR)], FAR),
        ("::ffff:10.0.0.7", [(XFF, FAR)], FAR),
        ("fd00:0::7", [(XFF, "2001:db8::1")], "2001:db8::1"),
        # from anybody else it is ignored
        ("10.0.0.8", [(XFF, FAR)], "10.0.0.8"),
        ("10.0.0.8", [(FWD, f"for={FAR}")], "10.0.0.8"),
        # what a client sends itself stands left of what the proxy appends
        ("10.0.0.7", [(XFF, f"203.0.113.9, {FAR}")], FAR),
        ("10.0.0.7", [(XFF, "203.0.113.9"), (XFF, FAR)], FAR),
        # a chain of named proxies
        ("10.0.0.7", [(XFF, f"203.0.113.9, {FAR}, fd00::7")], FAR),
        ("10.0.0.7", [(XFF, "10.0.0.7, fd00::7")], "10.0.0.7"),
        # with a port, as some proxies write it
        ("10.0.0.7", [(XFF, f"{FAR}:4711")], FAR),
        ("10.0.0.7", [(XFF, "[2001:db8::1]:4711")], "2001:db8::1"),
        # what can't be read is nobody's address
        ("10.0.0.7", [(XFF, f"{FAR}, unknown")], "10.0.0.7"),
        ("10.0.0.7", [(XFF, f"{FAR}, ")], "10.0.0.7"),
        ("10.0.0.7", [(XFF, "\x1b]0;x\x07")], "10.0.0.7"),
        ("10.0.0.7", [(XFF, "1" * 5_000)], "10.0.0.7"),
        # RFC 7239
        ("10.0.0.7", [(FWD, f"for={FAR};proto=https;by=10.0.0.7")], FAR),
        ("10.0.0.7", [(FWD, f'For="{FAR}:80", for="[2001:db8::1]:4711"')], "2001:db8::1"),
        ("10.0.0.7", [(FWD, f"for={FAR}, for=10.0.0.7")], FAR),
        ("10.0.0.7", [(FWD, "for=_hidden")], "10.0.0.7"),
        # one of two that disagree is the client's own
        ("10.0.0.7", [(XFF, FAR), (FWD, f"for={FAR}")], FAR),
        ("10.0.0.7", [(XFF, FAR), (FWD, "for=203.0.113.9")], "10.0.0.7"),
    ],
)  # fmt: skip
def test_the_right_most_hop_that_is_no_named_proxy_counts(peer, headers, client) -> None:
    assert client_address(peer, CIMultiDict(headers), PROXIES) == client


def test_without_named_proxies_no_header_counts() -> None:
    assert client_address("10.0.0.7", CIMultiDict([(XFF, FAR)]), frozenset()) == "10.0.0.7"
