"""Floods at the pages, shortened; `./run bench door` has them whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from optibid_console.admission.throttle import LOG_LINES
from optibid_console.cli.web import FeedDoor
from optibid_console.entries import WatchShared
from optibid_console.feed.link import Link, token_hash
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.web.site import Listening, Site
from tests.admission.newcomers import SHARE, Attack, enter, newcomers
from tests.feed.conftest import Window
from tests.feed.observing import Shared, own_state
from tests.screens import recording as rec

PROXY = ("127.0.3.1",)
ATTACKER, ELSEWHERE = ("127.0.1.1",), ("127.0.2.1", "127.0.2.2")
MANY = tuple(f"127.0.{4 + i % 20}.{1 + i}" for i in range(60))


class Pages:
    """The pages' server in front of a shared window, behind a named proxy."""

    def __init__(self, site: Site, link: Link, told: list[str]) -> None:
        self.site, self.link, self.told = site, link, told


@pytest.fixture
async def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pages]:
    own_state(tmp_path, monkeypatch)
    journal = await SqliteJournal.open(tmp_path / "one.journal", create=True)
    window = Window(tmp_path / "engine.sock", journal)
    for entry in rec.opened().entries:
        await window.append(entry.actor, entry.fact)
    shared, told = Shared(window), list[str]()
    await shared.start()
    link = shared.link("ann")
    await window.append("carl", WatchShared("ann", token_hash(link.token), 2e9))
    listening = Listening("127.0.0.1", 0, proxies=frozenset(PROXY))
    site = Site(FeedDoor(link), (), listening, "OptiBid", told.append)
    await site.start()
    yield Pages(site, link, told)
    await site.close()
    await shared.listener.close("over")
    await journal.close()


@pytest.mark.alone
@pytest.mark.parametrize(
    ("attack", "sources"),
    [
        (Attack("enter", 40, ATTACKER), ATTACKER),
        (Attack("enter", 40, PROXY), PROXY),
        (Attack("enter", 100, MANY), ELSEWHERE),
        (Attack("silent", 600, ATTACKER), ATTACKER),
    ],
    ids=["own address", "own proxy", "60 addresses", "idle, own address"],
)
async def test_newcomers_enter_beside_a_flood(pages, attack, sources) -> None:
    forwarded = "203.0.113.9" if sources is PROXY else ""
    come = partial(enter, pages.site.port, pages.link.token, forwarded=forwarded)
    came = await newcomers(attack, pages.site.port, come, sources, 20, seconds=1.0, after_s=0.8)
    assert came.share >= SHARE, came
    assert came.attackers["opened"] >= attack.rate
    assert len(pages.told) <= LOG_LINES
    if attack.kind == "enter":
        assert pages.told
        assert all(("198.51.100." in line) == (attack.sources is PROXY) for line in pages.told)
