"""Processes that begin with everything imported: `python fork_server.py FD` forks one a request.

A forked child runs the same function as a process of its own would, in a session of its own,
and can be killed; only the imports (half a second of CPU) are made once. Requests and answers
are JSON lines on the socket FD: `ForkServer` in `forking.py` is their other end.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any

_PR_SET_PDEATHSIG = 1
"""prctl(2)"""


@dataclass
class Forking:
    """The server: one thread, so that forking is safe."""

    client: socket.socket
    waking: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)
    saying: dict[int, int] = field(default_factory=dict)
    """Pipe → the process that says by it that it is ready."""
    children: set[int] = field(default_factory=set)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def serve(self) -> None:
        """Fork until the client is gone, then end what is left."""
        for one in self.waking:
            one.setblocking(False)
        signal.set_wakeup_fd(self.waking[1].fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        requests = self.client.makefile("rb", buffering=0)
        for watched in (self.client, self.waking[0]):
            self.selector.register(watched, selectors.EVENT_READ)
        waiting = b""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.client:
                    data = requests.read(1 << 16)
                    if not data:
                        self._end()
                        return
                    *lines, waiting = (waiting + data).split(b"\n")
                    for line in lines:
                        self._take(json.loads(line))
                elif key.fileobj is self.waking[0]:
                    self.waking[0].recv(4096)
                else:
                    self._heard(key.fd)
            self._reap()

    def _tell(self, **said: Any) -> None:
        self.client.sendall(json.dumps(said).encode() + b"\n")

    def _take(self, asked: dict[str, Any]) -> None:
        if asked["do"] == "kill":
            if asked["pid"] in self.children:  # not reaped yet: the number is still its own
                os.kill(asked["pid"], asked["signal"])
            return
        hears, says = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(hears)
            self._become(asked, says)
        os.close(says)
        self.children.add(pid)
        self.saying[hears] = pid
        self.selector.register(hears, selectors.EVENT_READ)
        self._tell(id=asked["id"], pid=pid)

    def _become(self, asked: dict[str, Any], says: int) -> None:
        status = 70
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            os.setsid()
            self.selector.close()
            for one in (self.client, *self.waking):
                one.close()
            for hears in self.saying:
                os.close(hears)
            os.chdir(asked["cwd"])
            os.environ.update(asked["env"])
            log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for number, opened in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
                os.dup2(opened, number)
            module, _, name = asked["what"].partition(":")
            arguments = [one.replace("{ready-fd}", str(says)) for one in asked["arguments"]]
            status = getattr(importlib.import_module(module), name)(arguments) or 0
        except SystemExit as ends:
            status = ends.code if isinstance(ends.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _heard(self, hears: int) -> None:
        said = os.read(hears, 4096)
        if said:
            self._tell(pid=self.saying[hears], said=said.decode(errors="replace"))
            return
        self.selector.unregister(hears)
        os.close(hears)
        del self.saying[hears]

    def _reap(self) -> None:
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self.children.discard(pid)
            self._tell(pid=pid, ended=os.waitstatus_to_exitcode(status))

    def _end(self) -> None:
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        for pid in self.children:
            os.waitpid(pid, 0)


def main() -> None:
    """`fork_server.py FD MODULE…`: import these, then fork."""
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.freeze()
    Forking(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
