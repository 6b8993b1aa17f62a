"""A real Docker: one that answers already, or a dockerd of our own on a private socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path

IMAGE = "optibid-console-test:1"


class DockerServer:
    """Docker for tests: `url` is its address, `run` starts a Python in a container."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="dockerd-", dir="/tmp"))
        self._containers: set[str] = set()
        self.url = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        if not answers(self.url):
            self.url = f"unix://{self._folder}/docker.sock"
            self.start()
        self._import_image()

    @property
    def is_ours(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start a dockerd; its bridge stays the default one, so no other's is deleted."""
        folder = self._folder
        argv = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        argv += ["--pidfile", f"{folder}/pid", "-H", self.url]
        # runc would keep files where a test has its XDG_RUNTIME_DIR, which goes with the test
        env = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, env=env)
        deadline = time.monotonic() + 20
        while not answers(self.url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"dockerd did not start:\n{said}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the dockerd that `start` started, and its containers."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

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
        """Remove what the tests started, and our dockerd."""
        if answers(self.url):
            for name in self.cli("ps", "-a", "--format", "{{.Names}}").split():
                if name in self._containers:
                    self.remove(name)
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

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
