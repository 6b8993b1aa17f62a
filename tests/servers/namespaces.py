"""Machines with cables between them that can be pulled: network namespaces, veth pairs.

Whatever runs in one of them is started with its `prefix`; files and processes are shared.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from functools import cache

_IP = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin") or "ip"
_counted = itertools.count()
_MOST = 255


class Machine:
    """One end of cables."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        """At the first cable that it got."""
        self.prefix = (_IP, "netns", "exec", name)
        """Begins the command line of what is to run there."""


class Cable:
    """Two machines, `near` and `far`, that reach each other and nothing else."""

    def __init__(self, near: Machine | None = None) -> None:
        """`near`: a machine that has other cables too; its own cable removes it."""
        number = next(_counted)
        if number > _MOST:
            raise RuntimeError(f"more than {_MOST} cables: they would share addresses")
        base, subnet = f"optibid-{os.getpid()}-{number}", f"10.77.{number}"
        self._made = [] if near else [Machine(f"{base}-near", f"{subnet}.1")]
        self.near = near or self._made[0]
        self.far = Machine(f"{base}-far", f"{subnet}.2")
        self._made.append(self.far)
        device = f"cable{number}"
        try:
            for machine in self._made:
                _ip("netns", "add", machine.name)
                _ip("-n", machine.name, "link", "set", "lo", "up")
            _ip("-n", self.near.name, "link", "add", device, "type", "veth",
                "peer", "name", "cable", "netns", self.far.name)  # fmt: skip
            for machine, end, host in ((self.near, device, 1), (self.far, "cable", 2)):
                _ip("-n", machine.name, "address", "add", f"{subnet}.{host}/24", "dev", end)
                _ip("-n", machine.name, "link", "set", end, "up")
        except BaseException:
            self.remove()
            raise

    def pull(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        _ip("-n", self.far.name, "link", "set", "cable", "down")

    def plug(self) -> None:
        _ip("-n", self.far.name, "link", "set", "cable", "up")

    def remove(self) -> None:
        """The machines that it made, and the cable with them; end first what runs there."""
        for machine in self._made:
            with contextlib.suppress(subprocess.CalledProcessError):  # it was never made
                _ip("netns", "delete", machine.name)


@cache
def are_there() -> bool:
    """Whether this user may make network namespaces here."""
    name = f"optibid-{os.getpid()}-tried"
    try:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "add", "one", "type", "veth", "peer", "name", "other")
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            _ip("netns", "delete", name)
    return True


def _ip(*arguments: str) -> None:
    subprocess.run([_IP, *arguments], check=True, stdin=subprocess.DEVNULL, capture_output=True)
