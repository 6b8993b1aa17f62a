"""The lock file: one holder, none left behind, and a dead holder holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from optibid_console.file_lock import FileLock, read_held

HOLD = """
import sys
from pathlib import Path
from optibid_console.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.acquire()
lock.write("held by the child")
print("held", flush=True)
sys.stdin.read()
"""


def test_one_holds_it_and_release_removes_it(tmp_path: Path) -> None:
    one, two = FileLock(tmp_path / "a.lock"), FileLock(tmp_path / "a.lock")
    assert one.acquire()
    one.write("a long first text")
    one.write("one")
    assert not two.acquire()
    assert read_held(one.path) == "one"
    one.release()
    one.release()
    assert not one.path.exists()
    assert read_held(one.path) is None
    assert two.acquire()
    two.release()


def test_a_lock_removed_under_a_waiter_is_not_taken_for_the_new_one(
    tmp_path: Path, monkeypatch
) -> None:
    path = tmp_path / "a.lock"
    first, second, third = FileLock(path), FileLock(path), FileLock(path)
    assert first.acquire()
    real_open, opened = os.open, []

    def open_then_release(*given, **named):
        fd = real_open(*given, **named)
        if not opened:
            opened.append(fd)
            first.release()  # between the waiter's open and its lock
            monkeypatch.setattr(os, "open", real_open)
        return fd

    monkeypatch.setattr(os, "open", open_then_release)
    assert second.acquire()
    assert path.exists()
    assert not third.acquire()
    second.release()


def test_a_killed_holder_leaves_a_file_that_nobody_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert not FileLock(path).acquire()
        assert read_held(path) == "held by the child"
        os.kill(child.pid, signal.SIGKILL)
    assert read_held(path) is None
    lock = FileLock(path)
    assert lock.acquire()
    lock.release()
    assert list(tmp_path.iterdir()) == []
