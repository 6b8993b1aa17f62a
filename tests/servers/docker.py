"""A real Docker: one that answers already, or a dockerd of our own on a private socket."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

IMAGE = "optibid-console-test:1"
START_S = 60.0
STOP_S = 60.0


class DockerServer:
    """Docker for tests: `url` is its address, `run` starts a Python in a container.

    All processes of a test run share one dockerd: whoever comes first starts it, whoever
    leaves last ends it.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is the same for all processes of the run, and for no other run."""
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._containers: set[str] = set()
        self._pid = folder / "pid"
        self._users = (folder / "users").open("wb")
        own = f"unix://{folder}/docker.sock"
        self.url = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        with self._at_the_door():
            fcntl.flock(self._users, fcntl.LOCK_SH)
            if answers(own) or not answers(self.url):
                self.url = own
            self.is_ours = self.url == own
            if not answers(self.url):
                self.start()
            if not self.cli("images", "-q", IMAGE) or not self.is_ours:
                self._import_image()

    def start(self) -> None:
        """Start a dockerd; its bridge stays the default one, so no other's is deleted."""
        folder = self._folder
        # it outlives the process that starts it, and is nobody's child
        argv = ["setsid", "--fork", "dockerd", "--data-root", f"{folder}/data"]
        argv += ["--exec-root", f"{folder}/exec", "--pidfile", str(self._pid), "-H", self.url]
        # runc would keep files where a test has its XDG_RUNTIME_DIR, which goes with the test
        env = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        with (folder / "log").open("ab") as log:
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        deadline = time.monotonic() + START_S
        while not answers(self.url):
            if time.monotonic() > deadline:
                said = (folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"dockerd did not start:\n{said}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the dockerd that `start` started, and its containers."""
        if not self._pid.exists():
            return
        pid = int(self._pid.read_text())
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while _runs(pid):
            if time.monotonic() > deadline:
                raise RuntimeError(f"dockerd, process {pid}, did not end within {STOP_S:g} s")
            time.sleep(0.02)

    def cli(self, *argv: str, stdin: bytes | None = None) -> str:
        """What a `docker` command prints."""
        command = ["docker", "-H", self.url, *argv]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode().strip()

    def run(self, name: str, code: str, *options: str) -> str:
        """Start a container that runs Python code; returns its id."""
        self._containers.add(name)
        fixed = ["--name", name, "-v", "/usr:/usr:ro", "--network", "none"]
        python = ["/usr/bin/python3", "-u", "-c", code]
        return self.cli("run", "-d", *fixed, *options, IMAGE, *python)

    def remove(self, name: str) -> None:
        self.cli("rm", "-f", name)

    def close(self) -> None:
        """Remove what this process started; the last one stops our dockerd."""
        if answers(self.url):
            for name in self.cli("ps", "-a", "--format", "{{.Names}}").split():
                if name in self._containers:
                    self.remove(name)
        in_use = contextlib.suppress(BlockingIOError)
        with self._at_the_door(), self._users, in_use:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.stop()
            # dockerd leaves its network namespace's file mounted
            left = self._folder / "exec" / "netns" / "default"
            subprocess.run(["umount", left], stderr=subprocess.DEVNULL, check=False)
            shutil.rmtree(self._folder, ignore_errors=True)

    @contextlib.contextmanager
    def _at_the_door(self) -> Iterator[None]:
        """One process at a time comes or leaves."""
        with self._folder.with_suffix(".door").open("wb") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            yield

    def _import_image(self) -> None:
        """An image that is a skeleton: `/usr` is the host's, mounted read-only."""
        page = BytesIO()
        with tarfile.open(fileobj=page, mode="w") as tar:
            for folder in ("dev", "etc", "proc", "sys", "tmp", "usr", "sbin"):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            for link in ("bin", "lib", "lib64"):
                entry = tarfile.TarInfo(link)
                entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{link}"
                tar.addfile(entry)
            for file in ("passwd", "group", "nsswitch.conf"):
                if Path("/etc", file).exists():
                    tar.add(f"/etc/{file}", f"etc/{file}")
        self.cli("import", "-", IMAGE, stdin=page.getvalue())


def answers(url: str) -> bool:
    """Whether a Docker answers `/_ping` there."""
    if not url.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(url.removeprefix("unix://"))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def _runs(pid: int) -> bool:
    """Whether the process is there, and no zombie that nobody waits for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False
