"""Links to watch with: one for each name, until it is revoked or has expired."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from optibid_console import entries as e
from optibid_console.engine.sharing import CannotShare, Sharing
from optibid_console.feed.hub import Hub
from tests.engine.bench import Bench

HERE = "127.0.0.1"


@pytest.fixture
async def sharing(bench: Bench) -> AsyncIterator[Sharing]:
    sharing = Sharing(bench.engine.ledger, Hub(), bench.journal)
    await sharing.start(f"{HERE}:0", "", HERE, "ann")
    yield sharing
    await sharing.close("the test is over")


async def test_a_name_has_one_link_until_it_is_revoked(bench: Bench, sharing: Sharing) -> None:
    first = await sharing.share("support", 1.0, "ann")
    with pytest.raises(CannotShare, match="a link for support already: revoke it first"):
        await sharing.share(" support ", 1.0, "ann")
    assert len(bench.heard.of(e.WatchShared)) == 1
    await sharing.revoke("support", "ann")
    assert await sharing.share("support", 1.0, "ann") != first


async def test_an_expired_link_stands_in_nobodys_way(bench: Bench, sharing: Sharing) -> None:
    await bench.engine.ledger.record(e.WatchShared("support", "0" * 64, 1.0), "ann")
    await sharing.share("support", 1.0, "ann")
    assert bench.state.sharing.links["support"].expires_at > 1.0
