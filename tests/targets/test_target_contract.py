"""What every target promises, held against each of them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from optibid_console.runbook.command_limits import (
    MOST_COMMAND_BYTES,
    MOST_ENVIRONMENT_BYTES,
    MOST_VARIABLE_BYTES,
)
from optibid_console.targets.container import ContainerTarget
from optibid_console.targets.shell_target import ShellTarget
from optibid_console.targets.target import Ending, LaunchRefused, RunEnd, RunSpec
from tests.servers.mine import MINE
from tests.targets.conftest import RunOf, processes, until
from tests.targets.test_host_contract import _fifo


async def output(target: ShellTarget, run_id: str, offset: int = 0) -> bytes:
    """All output from `offset` on, whose chunks have to join without a gap."""
    got = b""
    async for chunk in target.follow(run_id, offset):
        assert chunk.offset == offset + len(got)
        got += chunk.data
    return got


async def through(target: ShellTarget, spec: RunSpec) -> tuple[bytes, RunEnd | None]:
    assert await target.launch(spec)
    return await output(target, spec.run_id), await target.ended(spec.run_id)


async def test_a_run_gives_its_output_and_its_end(target: ShellTarget, run_of: RunOf) -> None:
    got, end = await through(target, run_of("printf 'one\\n'; printf 'two\\n' >&2; echo three"))
    assert got == b"one\ntwo\nthree\n"
    assert end == RunEnd(Ending.EXITED, 0, "", len(got))


async def test_the_output_is_that_of_a_bare_shell(target: ShellTarget, run_of: RunOf) -> None:
    command = (
        "nosuchcommand; echo x >/dev/stderr; printf 'a\\0\\377\\033[31m'; cd /nowhere; echo $0"
    )
    bare = subprocess.run(["/bin/sh", "-c", command], capture_output=False, stdout=-1, stderr=-2)
    got, _ = await through(target, run_of(command))
    assert got == bare.stdout


async def test_a_second_launch_attaches(target: ShellTarget, run_of: RunOf, runs: Path) -> None:
    count = runs.parent / "count"
    spec = run_of(f"echo started >> '{count}'; echo done")
    both = await asyncio.gather(target.launch(spec), target.launch(spec))
    assert sorted(both) == [False, True]
    assert await target.launch(spec) is False
    assert await output(target, spec.run_id) == b"done\n"
    assert count.read_text() == "started\n"


async def test_an_exit_status_is_told(target: ShellTarget, run_of: RunOf) -> None:
    _, end = await through(target, run_of("exit 3"))
    assert end == RunEnd(Ending.EXITED, 3, "", 0)


async def test_a_death_by_signal_is_told(target: ShellTarget, run_of: RunOf) -> None:
    _, end = await through(target, run_of("kill -USR1 $$; sleep 60"))
    assert end == RunEnd(Ending.SIGNALLED, None, "USR1", 0), "and no shell said `Killed`"


async def test_a_running_run_has_no_end(target: ShellTarget, run_of: RunOf, runs: Path) -> None:
    assert await target.launch(run_of(f"read x <'{_fifo(runs)}'; echo $x"))
    assert await target.ended("w-2.1b-1") is None
    (runs.parent / "gate").write_text("go\n")
    assert await output(target, "w-2.1b-1") == b"go\n"


async def test_a_run_nobody_launched_never_started(target: ShellTarget, run_of: RunOf) -> None:
    assert await target.ended("w-9.9-1") == RunEnd(Ending.NEVER)
    assert await output(target, "w-9.9-1") == b""
    await target.cancel("w-9.9-1", 0.1)


async def test_cancel_ends_what_ignores_term_and_its_children(
    target: ShellTarget, run_of: RunOf
) -> None:
    spec = run_of(f"trap '' TERM; sleep 4711.{MINE} & echo ready; sleep 4711.{MINE}")
    await target.launch(spec)
    await until(lambda: len(processes(f"4711.{MINE}")) >= 2)
    assert await target.cancel(spec.run_id, 0.3)
    assert await target.cancel(spec.run_id, 0.3), "asked again after an answer that was lost"
    end = await target.ended(spec.run_id)
    assert end is not None
    assert (end.ending, end.signal) == (Ending.SIGNALLED, "KILL")
    await until(lambda: not processes(f"4711.{MINE}"))


async def test_cancel_lets_a_command_clean_up(target: ShellTarget, run_of: RunOf) -> None:
    spec = run_of("trap 'echo cleaned; exit 7' TERM; echo ready; sleep 60 & wait")
    await target.launch(spec)
    async for _ in target.follow(spec.run_id, 0):
        break
    await target.cancel(spec.run_id, 10)
    assert await output(target, spec.run_id) == b"ready\ncleaned\n"
    assert await target.ended(spec.run_id) == RunEnd(Ending.EXITED, 7, "", 14)


async def test_cancel_after_the_end_changes_nothing(target: ShellTarget, run_of: RunOf) -> None:
    _, end = await through(target, run_of("echo x"))
    assert not await target.cancel("w-2.1b-1", 1)
    assert await target.ended("w-2.1b-1") == end


async def test_cancel_spares_a_command_that_has_ended_by_itself(
    target: ShellTarget, run_of: RunOf, runs: Path, tmp_path: Path
) -> None:
    """Its wrapper has yet to say so, as on a busy machine."""
    gate = tmp_path / "gate"
    await target.launch(run_of(f"echo begun; until [ -e '{gate}' ]; do sleep 0.05; done; exit 5"))
    run = runs / "w-2.1b-1"
    await until((run / "out").read_text)
    wrapper = int((run / "wrapper.pid").read_text().split()[0])
    os.kill(wrapper, signal.SIGSTOP)
    try:
        gate.touch()
        await until(lambda: "ended" in (run / "status").read_text())
        assert await target.ended("w-2.1b-1") is None
        assert not await target.cancel("w-2.1b-1", 1)
    finally:
        os.kill(wrapper, signal.SIGCONT)
    assert await output(target, "w-2.1b-1") == b"begun\n"
    assert await target.ended("w-2.1b-1") == RunEnd(Ending.EXITED, 5, "", 6)


async def test_following_begins_at_an_offset(target: ShellTarget, run_of: RunOf) -> None:
    await through(target, run_of("printf 0123456789"))
    assert await output(target, "w-2.1b-1", 4) == b"456789"
    assert await output(target, "w-2.1b-1", 10) == b""


async def test_five_megabytes_of_any_bytes_arrive_as_they_are(
    target: ShellTarget, run_of: RunOf, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 20_000
    (tmp_path / "data").write_bytes(data)
    got, end = await through(target, run_of(f"cat '{tmp_path}/data'"))
    assert got == data
    assert end == RunEnd(Ending.EXITED, 0, "", len(data))


async def test_a_command_may_close_its_output_and_go_on(
    target: ShellTarget, run_of: RunOf, tmp_path: Path
) -> None:
    spec = run_of(f"echo before; exec >&- 2>&-; sleep 0.2; echo x > '{tmp_path}/after'; exit 5")
    got, end = await through(target, spec)
    assert (got, end) == (b"before\n", RunEnd(Ending.EXITED, 5, "", 7))
    assert (tmp_path / "after").exists()


async def test_a_daemon_that_stays_does_not_hold_the_run_up(
    target: ShellTarget, run_of: RunOf
) -> None:
    spec = run_of(f"(sleep 4712.{MINE}; echo never) & echo $!")
    async with asyncio.timeout(8):
        got, end = await through(target, spec)
    assert end == RunEnd(Ending.EXITED, 0, "", len(got))
    for pid in processes(f"4712.{MINE}"):
        os.kill(pid, signal.SIGKILL)


async def test_a_run_whose_processes_are_all_killed_is_gone(
    target: ShellTarget, run_of: RunOf, runs: Path
) -> None:
    spec = run_of(f"sleep 4713.{MINE}")
    await target.launch(spec)
    told = runs / spec.run_id / "command.pid"
    await until(lambda: told.exists() and told.read_text())
    wrapper, inner, command = (
        int((runs / spec.run_id / name).read_text().split()[0])
        for name in ("wrapper.pid", "status", "command.pid")
    )
    os.kill(wrapper, signal.SIGKILL)
    os.kill(inner, signal.SIGKILL)
    assert await target.ended(spec.run_id) is None, "the command still runs"
    os.killpg(command, signal.SIGKILL)
    await until(lambda: not processes(f"4713.{MINE}"))
    assert await target.ended(spec.run_id) == RunEnd(Ending.GONE)
    assert await output(target, spec.run_id) == b""
    assert await target.launch(spec) is False, "and it isn't started again"


async def test_a_reboot_is_told(target: ShellTarget, run_of: RunOf, runs: Path) -> None:
    spec = run_of(f"sleep 4714.{MINE}")
    await target.launch(spec)
    file = runs / spec.run_id / "launcher.pid"
    here = file.read_text()
    launcher, _, window = here.splitlines()
    file.write_text(f"{launcher}\nanother-boot\n{window}\n")
    assert await target.ended(spec.run_id) == RunEnd(Ending.REBOOTED)
    file.write_text(here)
    await target.cancel(spec.run_id, 1)


async def test_a_run_that_an_earlier_version_launched_is_understood(
    target: ShellTarget, run_of: RunOf, runs: Path
) -> None:
    spec = run_of(f"sleep 4714.{MINE}")
    await target.launch(spec)
    run = runs / spec.run_id
    launcher, boot, window = (run / "launcher.pid").read_text().splitlines()
    (run / "launcher.pid").write_text(f"{launcher}\n")
    (run / "window").write_text(f"{window}\n")
    (run / "boot").write_text("another-boot\n")
    assert await target.ended(spec.run_id) == RunEnd(Ending.REBOOTED)
    (run / "boot").write_text(f"{boot}\n")
    assert await target.ended(spec.run_id) is None
    await target.cancel(spec.run_id, 1)
    os.utime(run, (0, 0))
    os.utime(runs / f".epochs/{window}/1/used", (0, 0))
    assert await target.clean(open_windows=[window]) == 0
    assert await target.clean() == 1


async def test_an_older_epoch_is_refused(target: ShellTarget, run_of: RunOf, runs: Path) -> None:
    await through(target, run_of("true", "w-1-1", epoch=3))
    with pytest.raises(LaunchRefused, match=r"a newer operator \(epoch 3\) has taken over"):
        await target.launch(run_of("true", "w-2-1", epoch=2))
    with pytest.raises(LaunchRefused, match="a newer operator"):
        await target.launch(run_of("true", "w-1-1", epoch=2))
    assert not (runs / "w-2-1").exists()
    assert await target.launch(run_of("true", "w-2-1", epoch=3))


async def test_epochs_of_another_window_do_not_count(target: ShellTarget, run_of: RunOf) -> None:
    await through(target, run_of("true", "w-1-1", epoch=9))
    assert await target.launch(RunSpec("x-1-1", "true", 1, 60.0, window="x"))


@pytest.mark.parametrize(
    "run_id", ["", "../up", "a/b", "a b", ".hidden", "x" * 201, "a\n", "$(id)"]
)
async def test_a_run_id_that_names_no_directory_is_refused(
    target: ShellTarget, run_of: RunOf, run_id: str
) -> None:
    with pytest.raises(LaunchRefused, match="can't name a directory"):
        await target.launch(run_of("true", run_id))


async def test_no_place_for_runs_is_refused_with_the_reason(
    target: ShellTarget, run_of: RunOf, runs: Path
) -> None:
    runs.write_text("a file is in the way")
    with pytest.raises(
        LaunchRefused, match=r"no run directory can be made in .*(exists|directory)"
    ):
        await target.launch(run_of("true"))


async def test_a_full_disk_is_refused_and_leaves_nothing(
    target: ShellTarget, run_of: RunOf, runs: Path
) -> None:
    if isinstance(target, ContainerTarget):
        pytest.skip("a file system that is mounted here isn't seen by the container")
    runs.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(runs)], check=False, stderr=-3
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        with pytest.raises(LaunchRefused, match="cannot write in"):
            await target.launch(run_of("echo " + "x" * 40_000))
        assert not (runs / "w-2.1b-1").exists()
    finally:
        subprocess.run(["umount", str(runs)], check=True)


async def test_a_directory_that_is_not_there_is_refused(target: ShellTarget, run_of: RunOf) -> None:
    with pytest.raises(LaunchRefused, match=r"can't start in .*/not there"):
        await target.launch(run_of("true", cwd="/not there"))


async def test_it_starts_in_a_directory_with_spaces(
    target: ShellTarget, run_of: RunOf, tmp_path: Path
) -> None:
    where = tmp_path / "a b 'c' $d"
    where.mkdir()
    got, _ = await through(target, run_of("pwd", cwd=str(where)))
    assert got.decode().rstrip("\n") == str(where)


async def test_a_secret_reaches_the_command_and_no_argument_list(
    target: ShellTarget, run_of: RunOf, runs: Path
) -> None:
    word = f"s3cr3t-{MINE}"
    secret = f"{word} 'quoted' \"$x\" `y` \\ ü"
    gate = _fifo(runs)
    spec = run_of(f"printf %s \"${{PASSWORD}}\"; read x <'{gate}'", env={"PASSWORD": secret})
    await target.launch(spec)
    async for chunk in target.follow(spec.run_id, 0):
        assert chunk.data.decode() == secret
        break
    assert processes(str(gate)), "the command runs, its arguments can be read"
    assert not processes(word)
    written = [one for one in (runs / spec.run_id).iterdir() if one.is_file() and one.name != "out"]
    assert not [one for one in written if word in one.read_text()]
    gate.write_text("go\n")
    await output(target, spec.run_id)


async def test_secrets_as_large_as_check_lets_pass_reach_a_command(
    target: ShellTarget, run_of: RunOf
) -> None:
    env = {f"S{number}": "ü'" * 43_600 for number in range(6)}
    env["LAST"] = "y" * (MOST_VARIABLE_BYTES - len("LAST="))
    assert MOST_ENVIRONMENT_BYTES - 150_000 < sum(map(len_of, env.items())) < MOST_ENVIRONMENT_BYTES
    command = 'printf %s "$LAST" | wc -c; printf %s "$S5" | sha256sum; env | wc -c; : '
    command += "x" * (MOST_COMMAND_BYTES - len(command))
    got, end = await through(target, run_of(command, env=env))
    last, digest, whole = got.decode().splitlines()
    assert int(last) == len(env["LAST"])
    assert digest.split()[0] == hashlib.sha256(env["S5"].encode()).hexdigest()
    assert int(whole) > sum(map(len_of, env.items()))
    assert end == RunEnd(Ending.EXITED, 0, "", len(got))
    done = await target.execute('printf %s "$LAST" | wc -c', timeout_s=20, env=env)
    assert int(done.stdout) == len(env["LAST"])


def len_of(variable: tuple[str, str]) -> int:
    return len("=".join(variable).encode())


async def test_one_byte_more_than_check_lets_pass_is_too_much(target: ShellTarget) -> None:
    env = {"LAST": "y" * (MOST_VARIABLE_BYTES + 1 - len("LAST="))}
    assert (await target.execute("true", timeout_s=20, env=env)).exit_status != 0


async def test_run_directories_are_private(target: ShellTarget, run_of: RunOf, runs: Path) -> None:
    got, _ = await through(target, run_of("umask"))
    assert got.strip() == subprocess.run(["/bin/sh", "-c", "umask"], stdout=-1).stdout.strip()
    assert (runs / "w-2.1b-1").stat().st_mode & 0o777 == 0o700
    assert (runs / "w-2.1b-1" / "wrapper").stat().st_mode & 0o777 == 0o600


async def test_ended_runs_are_cleaned_by_age(
    target: ShellTarget, run_of: RunOf, runs: Path
) -> None:
    windows = {"v-1": "v", "v-2": "v", "open-1": "open", "used-1": "used", "used-2": "used"}
    for name, window in windows.items():
        await through(target, RunSpec(name, "true", 1, 60.0, window=window))
        if name != "used-2":
            os.utime(runs / name, (0, 0))
            os.utime(runs / f".epochs/{window}/1/used", (0, 0))
    os.utime(runs / ".epochs/used/1/used")
    assert await target.clean(keep=["v-2"], open_windows=["open"]) == 1
    assert {one.name for one in runs.iterdir()} == {*windows, ".epochs"} - {"v-1"}
    assert await target.clean(open_windows=["open"]) == 1
    assert {one.name for one in runs.iterdir()} == {*windows, ".epochs"} - {"v-1", "v-2"}


async def test_a_run_that_was_asked_for_before_its_launch_came_is_never_launched(
    target: ShellTarget, run_of: RunOf
) -> None:
    spec = run_of("echo launched")
    assert await target.ended(spec.run_id) == RunEnd(Ending.NEVER)
    assert not await target.launch(spec)
    assert await target.ended(spec.run_id) == RunEnd(Ending.NEVER)
