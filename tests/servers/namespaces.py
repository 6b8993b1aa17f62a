"""Hosts with a network of their own, and cables between them that can be unplugged.

A namespace has no name: it goes with the last process in it, also when a test is killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache


@cache
def why_no_namespaces() -> str:
    """Why network namespaces can't be made here; empty when they can."""
    if os.geteuid() != 0:
        return "needs network namespaces: not root"
    if shutil.which("ip") is None:
        return "needs network namespaces: no `ip` (iproute2)"
    made: list[Namespace] = []
    try:
        made += [Namespace(), Namespace()]
        Cable(*made, number=1)
    except (OSError, RuntimeError) as error:
        return f"needs network namespaces: {error}"
    finally:
        for one in made:
            one.close()
    return ""


class Namespace:
    """A network of its own, with nothing but a loopback in it."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo made; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        if not self._holder.stdout.readline():
            _, said = self._holder.communicate()
            raise RuntimeError(said.decode(errors="replace").strip())
        self.run("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        """A process in it."""
        return self._holder.pid

    def inside(self, *argv: str) -> list[str]:
        """The command that runs `argv` there."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *argv]

    def run(self, *argv: str) -> None:
        """Run a command there. Raises `RuntimeError` with what it says when it fails."""
        done = subprocess.run(self.inside(*argv), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")

    def close(self) -> None:
        """Let go of it; it ends with the last process that was started in it."""
        self._holder.communicate()


class Cable:
    """A pair of virtual Ethernet devices (veth(4)) between a host and another one."""

    def __init__(self, here: Namespace, there: Namespace, number: int) -> None:
        """`number`: from 1 to 250, another one for each cable that a host has."""
        self.here_address = f"10.77.{number}.1"
        self.address = f"10.77.{number}.2"
        """Of the host at the far end."""
        self._there = there
        near, far = f"to{number}", f"from{number}"
        here.run("ip", "link", "add", near, "type", "veth", "peer", far, "netns", str(there.pid))
        here.run("ip", "address", "add", f"{self.here_address}/30", "dev", near)
        here.run("ip", "link", "set", near, "up")
        there.run("ip", "address", "add", f"{self.address}/30", "dev", far)
        self._far = far
        self.plug()

    def unplug(self) -> None:
        """From now on nothing passes in either direction, and neither end is told."""
        self._there.run("ip", "link", "set", self._far, "down")

    def plug(self) -> None:
        self._there.run("ip", "link", "set", self._far, "up")
