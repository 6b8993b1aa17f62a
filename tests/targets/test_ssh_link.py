"""One SSH connection: lost, back again, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from optibid_console.targets.connection import delay_s
from optibid_console.targets.ssh import SshTarget
from optibid_console.targets.target import Ending, LinkLost, LinkState, RunEnd, RunSpec
from probes.probe import HostError
from tests.servers.mine import MINE
from tests.servers.sshd import CuttableLink, Keys, OpenSshServer
from tests.targets.ssh_links import becomes, opened

pytestmark = pytest.mark.server("sshd")


async def test_what_start_up_files_print_is_skipped(
    keys: Keys, runs: Path, links: list[LinkState]
) -> None:
    server = OpenSshServer(keys, "ForceCommand echo Welcome; printf 'no newline'; exec /bin/sh")
    keys.know(server.port)
    try:
        async with opened(keys.spec(server.port, run_dir=str(runs)), links) as target:
            assert (await target.execute("echo x", timeout_s=9)).stdout == b"x\n"
            assert await target.launch(RunSpec("r-1", "printf y", 1, 60, window="w"))
            assert [one.data async for one in target.follow("r-1", 0)] == [b"y"]
    finally:
        server.stop()


async def test_an_account_without_a_shell_is_told_with_its_own_words(
    keys: Keys, links: list[LinkState]
) -> None:
    server = OpenSshServer(keys, "ForceCommand echo This account is not available.; exit 1")
    keys.know(server.port)
    try:
        async with opened(keys.spec(server.port), links) as target:
            with pytest.raises(HostError, match=r"doesn't start there: status 1.*not available"):
                await target.execute("true", timeout_s=9)
    finally:
        server.stop()


async def follow_and_cut(target: SshTarget, link: CuttableLink, got: bytearray) -> None:
    async for chunk in target.follow("r-1", 0):
        got += chunk.data
        link.cut()


async def stream_and_cut(target: SshTarget, link: CuttableLink) -> None:
    async with target.stream("echo a; sleep 60") as chunks:
        async for _ in chunks:
            link.cut()


async def test_a_run_survives_a_cut_link(
    link: CuttableLink, keys: Keys, runs: Path, links: list[LinkState], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    command = f"echo x >>'{tmp_path}/count'; echo one; until [ -e '{gate}' ]; do sleep 0.05; done"
    spec = RunSpec("r-1", f"{command}; echo two", 1, 60, window="w")
    async with opened(keys.spec(link.port, run_dir=str(runs)), links) as target:
        assert await target.launch(spec)
        got = bytearray()
        with pytest.raises(LinkLost):
            await follow_and_cut(target, link, got)
        assert got == b"one\n"
        gate.touch()
        async for chunk in target.follow("r-1", len(got)):
            assert chunk.offset == len(got)
            got += chunk.data
        assert got == b"one\ntwo\n"
        assert await target.ended("r-1") == RunEnd(Ending.EXITED, 0, "", 8)
        assert await target.launch(spec) is False
    assert (tmp_path / "count").read_text() == "x\n"


async def test_a_dead_link_is_noticed_within_five_seconds(
    link: CuttableLink, keys: Keys, runs: Path, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port, run_dir=str(runs)), links) as target:
        await target.launch(RunSpec("r-1", f"sleep 4731.{MINE}", 1, 60, window="w"))
        loop = asyncio.get_running_loop()
        link.freeze()
        frozen = loop.time()
        with pytest.raises(LinkLost):
            async for _ in target.follow("r-1", 0):
                pass
        await becomes(links, "reconnecting")
        assert loop.time() - frozen < 5
        link.cut()
        link.thaw()
        await becomes(links, "connected")
        assert await target.ended("r-1") is None
        await target.cancel("r-1", 1)


async def test_a_launch_on_a_cut_link_may_have_been_sent(
    link: CuttableLink, keys: Keys, runs: Path, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port, run_dir=str(runs)), links) as target:
        await target.execute("true", timeout_s=9)
        launching = asyncio.create_task(target.launch(RunSpec("r-1", "true", 1, 60, window="w")))
        await asyncio.sleep(0)
        link.cut()
        with pytest.raises(LinkLost):
            await launching
        end = await target.ended("r-1")
        assert end is None or end.ending in (Ending.NEVER, Ending.EXITED)


async def test_the_link_is_told_as_it_is(
    link: CuttableLink, keys: Keys, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port), links) as target:
        await target.start()
        connected = await becomes(links, "connected")
        assert connected.latency_ms is not None
        assert connected.latency_ms < 1000
        link.cut()
        lost = await becomes(links, "reconnecting")
        assert "the link was lost" in lost.detail
        await becomes(links, "connected")
    assert [one.state for one in links][:3] == ["connecting", "connected", "reconnecting"]
    assert link.taken == 2


async def test_all_share_one_connection(
    link: CuttableLink, keys: Keys, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port), links) as target:
        calls: list[Awaitable[object]] = [target.execute("true", timeout_s=9) for _ in range(20)]
        await asyncio.gather(*calls)
    assert link.taken == 1


async def test_a_stream_says_that_the_link_was_lost(
    link: CuttableLink, keys: Keys, links: list[LinkState]
) -> None:
    async with opened(keys.spec(link.port), links) as target:
        with pytest.raises(HostError, match="lost"):
            await stream_and_cut(target, link)


def test_attempts_get_rarer_and_a_lasting_failure_is_not_hammered() -> None:
    assert [delay_s(one, False, 0.0) for one in (1, 2, 3, 4, 5, 50)] == [0.5, 1, 2, 4, 8, 8]
    assert delay_s(1, False, 1.0) == 0.25
    assert delay_s(1, True, 0.5) == 30
