"""Two machines with a cable between them that can be pulled: network namespaces and a veth pair.

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


class Machine:
    """One end of the cable."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.prefix = (_IP, "netns", "exec", name)
        """Begins the command line of what is to run there."""


class Cable:
    """Two machines, `near` and `far`, that reach each other and nothing else."""

    def __init__(self) -> None:
        base = f"optibid-{os.getpid()}-{next(_counted)}"
        self.near = Machine(f"{base}-near", "10.77.0.1")
        self.far = Machine(f"{base}-far", "10.77.0.2")
        try:
            for machine in (self.near, self.far):
                _ip("netns", "add", machine.name)
            _ip("-n", self.near.name, "link", "add", "cable", "type", "veth",
                "peer", "name", "cable", "netns", self.far.name)  # fmt: skip
            for machine in (self.near, self.far):
                _ip("-n", machine.name, "address", "add", f"{machine.address}/24", "dev", "cable")
                _ip("-n", machine.name, "link", "set", "lo", "up")
                _ip("-n", machine.name, "link", "set", "cable", "up")
        except BaseException:
            self.remove()
            raise

    def pull(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        _ip("-n", self.far.name, "link", "set", "cable", "down")

    def plug(self) -> None:
        _ip("-n", self.far.name, "link", "set", "cable", "up")

    def remove(self) -> None:
        """Both machines, and the cable with them; end first what runs there."""
        for machine in (self.near, self.far):
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
