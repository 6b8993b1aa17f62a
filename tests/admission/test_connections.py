"""Which connection makes room for the next one, by tables of who is there."""

from __future__ import annotations

import random

import pytest

from optibid_console.admission.connections import (
    ConnectionLimits,
    ConnectionsFull,
    ConnectionTable,
    Standing,
)
from optibid_console.admission.sources import Source, canonical, source_of

LIMITS = ConnectionLimits(total=8, of_address=4, of_network=6)
PROXIES = frozenset({"10.0.0.7"})


def table(*there: str, limits: ConnectionLimits = LIMITS) -> ConnectionTable[str]:
    """Of `NAME ADDRESS [STANDING]`, the oldest first."""
    made: ConnectionTable[str] = ConnectionTable(limits)
    for number, text in enumerate(there):
        name, address, *standing = text.split()
        made.add(name, source_of(address, PROXIES), float(number))
        if standing:
            made.move(name, Standing[standing[0]], float(number))
    return made


@pytest.mark.parametrize(
    ("peer", "address", "network"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
        ("?", "?", "?"),
    ],
)
def test_a_peer_counts_by_its_address_and_its_network(peer, address, network) -> None:
    assert source_of(peer) == Source(address, network)


def test_a_named_proxy_is_trusted_by_its_own_address_alone() -> None:
    assert source_of("::ffff:10.0.0.7", PROXIES).trusted
    assert not source_of("10.0.0.8", PROXIES).trusted
    fd = frozenset({canonical("fd00:0::7")})
    assert source_of("fd00::7", fd).trusted
    assert not source_of("fd00::8", fd).trusted


@pytest.mark.parametrize(
    ("there", "newcomer", "evicted"),
    [
        ([], "10.0.0.1", None),
        (["a 10.0.0.1", "b 10.0.0.1", "c 10.0.0.1"], "10.0.0.1", None),
        (["a 10.0.0.1", "b 10.0.0.1", "c 10.0.0.1", "d 10.0.0.1"], "10.0.0.1", "a"),
        # of one address: in its older half what has come least far, then the oldest
        (["a 10.0.0.1 ANONYMOUS", "b 10.0.0.1 QUEUED", "c 10.0.0.1", "d 10.0.0.1"],
         "10.0.0.1", "b"),
        (["a 10.0.0.1 ANONYMOUS", "b 10.0.0.1 ANONYMOUS", "c 10.0.0.1", "d 10.0.0.1"],
         "10.0.0.1", "a"),
        (["a 10.0.0.1", "b 10.0.0.1 HANDSHAKING", "c 10.0.0.1", "d 10.0.0.1 FAILED"],
         "10.0.0.1", "d"),
        (["a 10.0.0.1 AUTHENTICATED", "b 10.0.0.1 KNOWN", "c 10.0.0.1 ANONYMOUS",
          "d 10.0.0.1 AUTHENTICATED"], "10.0.0.1", "c"),
        (["a 10.0.0.1 AUTHENTICATED", "b 10.0.0.1 KNOWN", "c 10.0.0.1 KNOWN",
          "d 10.0.0.1 AUTHENTICATED"], "10.0.0.1", "b"),
        # of one network: of the address with most of them
        (["a 10.0.0.1", "b 10.0.0.2", "c 10.0.0.2", "d 10.0.0.2", "e 10.0.0.3", "f 10.0.0.4"],
         "10.0.0.5", "b"),
        # of all: of the network with most of them, whatever is older elsewhere
        (["a 10.0.9.1", "b 10.0.0.1", "c 10.0.0.2", "d 10.0.0.2", "e 10.0.0.3", "f 10.0.8.1",
          "g 10.0.8.2", "h 10.0.7.1"], "10.0.6.1", "c"),
        # authenticated ones are no reason to evict their neighbours
        (["a 10.0.0.1 AUTHENTICATED", "b 10.0.0.1 AUTHENTICATED", "c 10.0.0.1 AUTHENTICATED",
          "d 10.0.0.2", "e 10.0.8.1", "f 10.0.8.1", "g 10.0.7.1", "h 10.0.6.1"],
         "10.0.5.1", "e"),
        (["a 2001:db8:1:1::1", "b 2001:db8:1:1::2", "c 2001:db8:1:1::3", "d 2001:db8:1:1::4"],
         "2001:db8:1:1::5", "a"),
        # a proxy's connections aren't one peer's: no limit of an address, and the last to go
        (["a 10.0.0.7", "b 10.0.0.7", "c 10.0.0.7", "d 10.0.0.7", "e 10.0.0.7"],
         "10.0.0.7", None),
        (["a 10.0.0.7", "b 10.0.0.7", "c 10.0.0.7", "d 10.0.0.7", "e 10.0.0.7", "f 10.0.0.7",
          "g 10.0.0.8", "h 10.0.0.8 ANONYMOUS"], "10.0.5.1", "g"),
        (["a 10.0.0.7 ANONYMOUS", "b 10.0.0.7", "c 10.0.0.7", "d 10.0.0.7", "e 10.0.0.7",
          "f 10.0.0.7", "g 10.0.0.7", "h 10.0.0.7"], "10.0.5.1", "b"),
    ],
)  # fmt: skip
def test_who_makes_room(there: list[str], newcomer: str, evicted: str | None) -> None:
    assert table(*there).make_room(source_of(newcomer, PROXIES)) == evicted


@pytest.mark.parametrize(
    ("there", "newcomer"),
    [
        ([f"{n} 10.0.0.1 AUTHENTICATED" for n in range(4)], "10.0.0.1"),
        ([f"{n} 10.0.0.{n} AUTHENTICATED" for n in range(6)], "10.0.0.9"),
        ([f"{n} 10.0.{n}.1 AUTHENTICATED" for n in range(8)], "10.0.9.1"),
    ],
)
def test_authenticated_ones_make_no_room(there: list[str], newcomer: str) -> None:
    with pytest.raises(ConnectionsFull):
        table(*there).make_room(source_of(newcomer))


def test_of_the_handshakes_the_oldest_of_the_busiest_address_goes() -> None:
    there = table("a 10.0.1.1 HANDSHAKING", "b 10.0.2.1", "c 10.0.2.2 HANDSHAKING",
                  "d 10.0.2.2 HANDSHAKING", "e 10.0.2.2 ANONYMOUS")  # fmt: skip
    assert there.oldest(Standing.HANDSHAKING) == "c"
    assert there.oldest(Standing.KNOWN) is None
    assert ConnectionTable[str](LIMITS).oldest(Standing.SILENT) is None


def test_whoever_moves_is_no_longer_the_oldest_and_not_overdue() -> None:
    there = table("a 10.0.0.1", "b 10.0.0.1")
    there.move("a", Standing.SILENT, 10.0)
    assert there.overdue(Standing.SILENT, 5.0) == ["b"]
    assert there.next_evicted() == "b"


def test_the_counts_of_a_table_are_those_of_its_connections() -> None:
    """After any steps: compared with a count by hand; nothing is left when all are gone."""
    chance = random.Random(5)
    made: ConnectionTable[int] = ConnectionTable(LIMITS)
    own: dict[int, tuple[Source, Standing]] = {}
    for number in range(3_000):
        source = source_of(f"10.0.{chance.randrange(3)}.{chance.randrange(5, 9)}", PROXIES)
        try:
            victim = made.make_room(source)
        except ConnectionsFull:
            for key in list(own):
                made.remove(key)
            own.clear()
            continue
        if victim is not None:
            assert own.pop(victim)[1] is not Standing.AUTHENTICATED
            made.remove(victim)
        made.add(number, source, number)
        own[number] = (source, Standing.SILENT)
        for key in chance.sample(list(own), k=min(len(own), 2)):
            standing = chance.choice(list(Standing))
            made.move(key, standing, number)
            own[key] = (own[key][0], standing)
        if chance.random() < 0.3:
            gone = chance.choice(list(own))
            made.remove(gone)
            made.remove(gone)
            del own[gone]
        assert len(made) == len(own) <= LIMITS.total
        for standing in Standing:
            assert made.count(standing) == sum(has is standing for _, has in own.values())
        busy = [s.network for s, has in own.values()
                if has is not Standing.AUTHENTICATED and not s.trusted]  # fmt: skip
        chosen = made.next_evicted()
        if busy:
            assert chosen is not None
            most = max(busy.count(one) for one in busy)
            assert busy.count(own[chosen][0].network) == most
    for key in list(own):
        made.remove(key)
    assert made.next_evicted() is None
    assert not any((made._members, made._addresses, made._of_address, made._of_network,
                    made._evictable, made._proxies, made._by_age))  # fmt: skip
