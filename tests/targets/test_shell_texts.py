"""The shell texts under every POSIX shell that is here, and on hosts that lack something."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from optibid_console.targets.follower import follow_text
from optibid_console.targets.inspector import cancel_text, ended_text
from optibid_console.targets.launcher import launch_text
from optibid_console.targets.shell_words import answer_in, place, runs_place
from optibid_console.targets.target import RunSpec
from optibid_console.targets.watched import watched_text
from tests.servers.mine import MINE

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "ash"]}
TOOLS = (
    "cat", "mkdir", "mkfifo", "mv", "rm", "date", "sleep", "tail", "wc", "kill", "ps", "tr",
    "find", "nohup", "dd", "grep", "printf", "true", "sysctl",
)  # fmt: skip
"""What a host without setsid has."""


@pytest.fixture(params=[pytest.param(one, marks=pytest.mark.server(one)) for one in SHELLS])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """An environment in which `sh`, for every nested call too, is that shell."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (directory / tool).symlink_to(found)
    return {
        "PATH": f"{directory}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "SHELL_UNDER_TEST": " ".join(SHELLS[request.param]),
    }


def ask(text: str, env: dict[str, str]) -> str:
    """What the text answers in that shell; its nested shells are that one as well."""
    words = env["SHELL_UNDER_TEST"]
    nested = text.replace("/bin/sh ", f"{words} ")
    done = subprocess.run(
        words.split(), input=nested.encode(), capture_output=True, env=env, timeout=20,
        start_new_session=True, check=False,
    )  # fmt: skip
    return answer_in(done.stdout) or done.stderr.decode()


def until_ended(run_dir: str, run_id: str, env: dict[str, str]) -> str:
    deadline = time.monotonic() + 10
    while " running " in (answer := ask(ended_text(run_dir, run_id), env)):
        assert time.monotonic() < deadline
    return answer


def until_said(out: str, env: dict[str, str]) -> None:
    """Wait until the command has printed something."""
    deadline = time.monotonic() + 10
    while not (Path(env["HOME"]) / out).stat().st_size:
        assert time.monotonic() < deadline


def test_a_run_from_claim_to_end(shell: dict[str, str], tmp_path: Path) -> None:
    spec = RunSpec("r-1", 'printf "%s\\n" "$WORD" >/dev/stderr; exit 3', 1, 9, {"WORD": "it's"})
    text = launch_text("runs", spec)
    assert ask(text, shell) == "started"
    assert ask(text, shell) == "attached"
    assert until_ended("runs", "r-1", shell) == "5 exited 3 whole"
    assert (tmp_path / "runs/r-1/out").read_bytes() == b"it's\n"
    late = launch_text("runs", RunSpec("r-2", "true", 0, 9))
    assert ask(late, shell) == "refused a newer operator (epoch 1) has taken over"


def test_a_run_is_ended_with_its_children(shell: dict[str, str]) -> None:
    spec = RunSpec("r-1", f"trap '' TERM; echo deaf; sleep 4721.{MINE} & sleep 4721.{MINE}", 1, 9)
    assert ask(launch_text("runs", spec), shell) == "started"
    until_said("runs/r-1/out", shell)
    assert ask(ended_text("runs", "r-1"), shell).split()[1] == "running"
    assert ask(cancel_text("runs", "r-1", 0.2), shell) == "ended"
    assert until_ended("runs", "r-1", shell).endswith(" exited 137 whole")
    assert is_gone(f"4721.{MINE}")


def test_a_host_without_setsid(shell: dict[str, str], tmp_path: Path) -> None:
    bare = {**shell, "PATH": str(tmp_path / "bin")}
    for word in shell["SHELL_UNDER_TEST"].split()[:1]:
        (tmp_path / "bin" / word).symlink_to(shutil.which(word) or word)
    spec = RunSpec("r-1", f"sleep 4722.{MINE} & echo $!; wait", 1, 9)
    assert ask(launch_text("runs", spec), bare) == "started"
    until_said("runs/r-1/out", shell)
    assert ask(cancel_text("runs", "r-1", 1), bare) == "ended"
    assert until_ended("runs", "r-1", bare).endswith(" exited 143 whole")
    assert is_gone(f"4722.{MINE}")
    assert ask(launch_text("runs", RunSpec("r-2", "exit 4", 1, 9)), bare) == "started"
    assert until_ended("runs", "r-2", bare) == "0 exited 4 whole"


def test_following_ends_when_nobody_listens(shell: dict[str, str], tmp_path: Path) -> None:
    ask(launch_text("runs", RunSpec("r-1", "echo a; echo b", 1, 9)), shell)
    until_ended("runs", "r-1", shell)
    words = shell["SHELL_UNDER_TEST"].split()
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=shell
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(follow_text("runs", "r-1", 2).encode())
        child.stdin.flush()
        assert child.stdout.read(2) == b"b\n"
        assert answer_in(child.stderr.readline()) == "end 4 exited 0 whole"
    assert is_gone(f"{tmp_path}/runs/r-1/out")


def test_a_watched_command_keeps_its_exit_status(shell: dict[str, str]) -> None:
    words = shell["SHELL_UNDER_TEST"].split()
    for command, status in (("exit 5", 5), ("kill -9 $$", 137), ("true", 0)):
        with subprocess.Popen(words, stdin=subprocess.PIPE, env=shell) as child:
            assert child.stdin is not None
            child.stdin.write(watched_text(command, {}).encode())
            child.stdin.flush()
            assert child.wait(timeout=60) == status


def test_a_claim_whose_launcher_died_never_starts(shell: dict[str, str], tmp_path: Path) -> None:
    spec = RunSpec("r-1", "touch started", 1, 9)
    text = launch_text("runs", spec).replace("fenced && unclaim", "kill -9 $$\nfenced && unclaim")
    ask(text, shell)
    assert (tmp_path / "runs/r-1/wrapper").exists()
    assert ask(ended_text("runs", "r-1"), shell) == "0 never 0 whole"
    assert ask(launch_text("runs", spec), shell) == "attached"
    assert not (tmp_path / "started").exists()


def test_a_run_ended_before_it_began_never_begins(shell: dict[str, str], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    spec = RunSpec("r-1", f"touch '{tmp_path}/started'", 1, 9)
    slow = launch_text("runs", spec).replace(
        'first "$run/begun"', f"read go <'{gate}'\nfirst \"$run/begun\""
    )
    words = shell["SHELL_UNDER_TEST"].split()
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=shell
    ) as launcher:
        assert launcher.stdin is not None
        assert launcher.stdout is not None
        launcher.stdin.write(slow.encode())
        launcher.stdin.flush()
        gate_end = os.open(gate, os.O_WRONLY)
        assert ask(ended_text("runs", "r-1"), shell).split()[1] == "running", "it is about to start"
        assert ask(cancel_text("runs", "r-1", 1), shell) == "nothing"
        os.write(gate_end, b"go\n")
        os.close(gate_end)
        assert answer_in(launcher.stdout.read()) == "refused it was ended before it began"
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("", '"$HOME"'),
        ("~", '"$HOME"'),
        ("~/a b", "\"$HOME\"/'a b'"),
        ("/srv/it's", "'/srv/it'\"'\"'s'"),
        ("releases", '"$HOME"/releases'),
    ],
)
def test_places_are_words(path: str, word: str) -> None:
    assert place(path) == word


def test_the_usual_place_for_runs() -> None:
    assert runs_place("") == '"$HOME"/.local/state/optibid-console/runs'


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (RunSpec("r", "a\0b", 1, 9), "NUL"),
        (RunSpec("r", "x" * 130_000, 1, 9), "longer than 120,000 bytes"),
        (RunSpec("r", "true", 1, 9, {"A B": "x"}), "can't name an environment variable"),
        (RunSpec("r", "true", 1, 9, {"A": "x\0"}), "NUL"),
        (RunSpec("r", "true", 1, 9, window="../x"), "can't name a directory"),
    ],
)
def test_what_cannot_be_launched(spec: RunSpec, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        launch_text("", spec)


def is_gone(word: str) -> bool:
    """Whether soon no process has `word` in its arguments: one that was sent a signal takes its
    time to end. What stays is killed."""
    deadline = time.monotonic() + 10
    while (found := _living(word)) and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return not found


def _living(word: str) -> list[int]:
    """Processes that are no zombies and have `word` in their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found
