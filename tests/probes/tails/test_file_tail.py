"""A file is followed through everything that happens to logs, with no line lost or doubled."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probes.probe import Tail
from probes.tails.file import FileTail, FileTailSettings

if TYPE_CHECKING:
    from tests.probes.hosts import CuttableHost
    from tests.probes.tails.conftest import Follower

    Follow = Callable[[Tail], Follower]


def tail(path: Path, host: CuttableHost, lines: int = 200) -> FileTail:
    return FileTail("backend", FileTailSettings(str(path), lines), host)


def append(path: Path, *lines: str) -> None:
    with path.open("a") as log:
        log.write("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("name", ["plain.log", "it's a $(touch x) `log` %s*.log", "-n.log"])
async def test_begins_with_the_last_lines_and_follows(
    tmp_path: Path, host: CuttableHost, follow: Follow, name: str
) -> None:
    log = tmp_path / name
    append(log, *(f"line {n}" for n in range(10)))
    following = follow(tail(log, host, lines=3))
    await following.until_line("line 9")
    append(log, "line 10")
    await following.until_line("line 10")
    assert following.lines() == ["line 7", "line 8", "line 9", "line 10"]
    assert following.notices == ["connected"]
    assert not (tmp_path / "x").exists()


async def test_gives_whole_lines_only(tmp_path: Path, host: CuttableHost, follow: Follow) -> None:
    log = tmp_path / "a.log"
    append(log, "first")
    following = follow(tail(log, host))
    await following.until_line("first")
    with log.open("a") as part:
        part.write("half ")
    other = tmp_path / "b.log"
    append(other, "later")
    second = follow(tail(other, host))
    await second.until_line("later")
    with log.open("a") as part:
        part.write("a line\n")
    await following.until_line("half a line")
    assert all(one.data == b"" or one.data.endswith(b"\n") for one in following.batches)


async def test_a_lost_link_loses_and_repeats_nothing(
    tmp_path: Path, host: CuttableHost, follow: Follow
) -> None:
    log = tmp_path / "a.log"
    append(log, *(f"line {n}" for n in range(100)))
    following = follow(tail(log, host))
    await following.until_line("line 99")
    with log.open("a") as part:
        part.write("line 1")
    host.cut()
    append(log, *("00" if n == 100 else f"line {n}" for n in range(100, 200)))
    await following.until_line("line 199")
    assert following.lines() == [f"line {n}" for n in range(200)]
    assert following.notices[0] == "connected"
    assert following.notices[1].startswith("lost: here: link lost, retry 1")
    assert following.notices[2] == "reconnected, nothing missed"


async def test_tries_again_for_ever_and_says_so(
    tmp_path: Path, host: CuttableHost, follow: Follow
) -> None:
    log = tmp_path / "a.log"
    append(log, "before")
    host.is_down = True
    following = follow(tail(log, host))
    await following.until_notice("retry 2")
    host.is_down = False
    await following.until_line("before")
    assert following.notices[0] == "lost: here: connection refused, retry 1 now"


async def test_a_rotation_is_said_and_late_lines_of_the_old_file_come_first(
    tmp_path: Path, host: CuttableHost, follow: Follow
) -> None:
    log = tmp_path / "a.log"
    append(log, "old 1")
    following = follow(tail(log, host))
    await following.until_line("old 1")
    log.rename(tmp_path / "a.log.1")
    append(log, "new 1")
    append(tmp_path / "a.log.1", "old 2 by a late writer")
    await following.until_line("new 1")
    append(log, "new 2")
    await following.until_line("new 2")
    assert following.lines() == ["old 1", "old 2 by a late writer", "new 1", "new 2"]
    assert following.notices == ["connected", "rotated"]


async def test_a_rotation_while_away_is_caught_up_from_the_rotated_file(
    tmp_path: Path, host: CuttableHost, follow: Follow
) -> None:
    log = tmp_path / "a.log"
    append(log, "old 1")
    following = follow(tail(log, host))
    await following.until_line("old 1")
    host.cut(down=True)
    append(log, "old 2")
    log.rename(tmp_path / "a.log.1")
    append(log, "new 1")
    host.is_down = False
    await following.until_line("new 1")
    assert following.lines() == ["old 1", "old 2", "new 1"]


async def test_a_rotation_to_an_unknown_name_says_what_may_be_missing(
    tmp_path: Path, host: CuttableHost, follow: Follow
) -> None:
    log = tmp_path / "a.log"
    append(log, "old 1")
    following = follow(tail(log, host))
    await following.until_line("old 1")
    host.cut(down=True)
    log.rename(tmp_path / "a.log-20261124")
    append(log, "new 1")
    host.is_down = False
    await following.until_line("new 1")
    assert following.lines() == ["old 1", "new 1"]
    assert "rotated while away: lines between" in following.notices[-1]


async def test_another_file_with_the_same_inode_number_is_told(
    tmp_path: Path, host: CuttableHost, follow: Follow
) -> None:
    """What inode reuse after remove and create gives, without waiting for the chance of it."""
    log = tmp_path / "a.log"
    append(log, "old 1", "old 2")
    following = follow(tail(log, host))
    await following.until_line("old 2")
    host.cut(down=True)
    inode = log.stat().st_ino
    log.write_text("new 1\nnew 2\nnew 3\n")
    assert log.stat().st_ino == inode
    host.is_down = False
    await following.until_line("new 3")
    assert following.lines() == ["old 1", "old 2", "new 1", "new 2", "new 3"]
    assert "may be missing" in following.notices[-1]


async def test_truncation_is_said_and_followed(
    tmp_path: Path, host: CuttableHost, follow: Follow
) -> None:
    log = tmp_path / "a.log"
    append(log, "a long first line", "a long second line")
    following = follow(tail(log, host))
    await following.until_line("a long second line")
    os.truncate(log, 0)
    await following.until_notice("truncated")
    append(log, "after")
    await following.until_line("after")
    host.cut()
    await following.until_notice("reconnected")
    append(log, "later")
    await following.until_line("later")
    assert following.lines()[2:] == ["after", "later"]


async def test_waits_for_a_missing_file(tmp_path: Path, host: CuttableHost, follow: Follow) -> None:
    log = tmp_path / "a.log"
    following = follow(tail(log, host))
    await following.until_notice(f"waiting for {log}")
    append(log, "it came")
    await following.until_line("it came")
    assert following.notices == [f"waiting for {log}", "connected"]


async def test_a_directory_is_said(tmp_path: Path, host: CuttableHost, follow: Follow) -> None:
    following = follow(tail(tmp_path, host))
    await following.until_notice("it is a directory")


async def test_a_line_without_end_is_cut_and_says_so(
    tmp_path: Path, host: CuttableHost, follow: Follow
) -> None:
    log = tmp_path / "a.log"
    append(log, "x" * 3_000_000, "next")
    following = follow(tail(log, host))
    await following.until_line("next")
    first, second = following.lines()
    assert first.endswith("x …[+1951424 bytes]")
    assert len(first) < 1_050_000
    assert second == "next"


async def test_raw_bytes_pass_as_they_are(
    tmp_path: Path, host: CuttableHost, follow: Follow
) -> None:
    log = tmp_path / "a.log"
    raw = b"\x1b[2J\xff\xfe\x00\x1e\x1edeadbeef open 1 0 same\n"
    log.write_bytes(raw)
    following = follow(tail(log, host))
    await following.until(lambda: following.data == raw)


async def test_many_lines_come_in_few_batches_and_all_of_them(
    tmp_path: Path, host: CuttableHost, follow: Follow
) -> None:
    log = tmp_path / "a.log"
    append(log, "first")
    following = follow(tail(log, host))
    await following.until_line("first")
    append(log, *(f"{n:0100d}" for n in range(100_000)))
    await following.until(lambda: following.count == 100_001)
    assert following.lines()[1:] == [f"{n:0100d}" for n in range(100_000)]
    assert len(following.batches) < 200


async def test_leaving_leaves_no_process(tmp_path: Path) -> None:
    """A host that only closes its end of the pipe: the shell text notices by itself."""
    from probes.tails.follow import follow_text

    log = tmp_path / "a.log"
    append(log, "first")
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", follow_text(str(log), "m", 10, None), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readuntil(b"first\n")
    process.stdout._transport.close()  # type: ignore[attr-defined]  # as a closed channel does
    assert await asyncio.wait_for(process.wait(), 10) in (0, -13)


async def test_a_relative_path_is_from_where_commands_start(
    tmp_path: Path, host: CuttableHost, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    append(tmp_path / "-a.log", "here")
    await follow(tail(Path("-a.log"), host)).until_line("here")


def test_settings_say_what_is_wrong() -> None:
    assert dict(FileTailSettings("a\nb", -1).problems()) == {
        "path": "holds a newline or a NUL",
        "lines": "expected 0 to 100000",
    }
