"""The demo's stack: PostgreSQL, app-1 with its SSH server and services, and users.

`python -m optibid_console.demo.stack --dir D` runs it in the foreground: it prints one JSON
line when all is ready, and stops at SIGINT, SIGTERM or SIGHUP.
"""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from optibid_console import printed
from optibid_console.demo import postgres
from optibid_console.demo.app_host import make_host
from optibid_console.demo.clearing import clear_files, clear_processes
from optibid_console.demo.configuration import write_configuration
from optibid_console.demo.fault import Fault
from optibid_console.demo.lock import held
from optibid_console.demo.place import (
    DATABASE,
    HOST_NAME,
    PUBLIC_NAME,
    Place,
    Ports,
    default_root,
    free_ports,
)
from optibid_console.demo.processes import (
    MARK,
    DemoError,
    marked_environment,
    spawn_module,
    wait_until,
)
from optibid_console.printed import Parser

DEFAULT_SPEED = 24.0
"""Clock seconds in a second: T-60 to T+60 in five minutes."""
_FAULT_AFTER_CLOCK_S = 32 * 60.0
_FAULT_RAMP_CLOCK_S = 16 * 60.0
_LOCK_PATIENCE_S = 5.0
_START_S = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack: where it is and how to reach its parts."""

    place: Place
    ports: Ports
    password: str

    @property
    def database_url(self) -> str:
        """For psycopg, with the password."""
        return f"postgresql://optibid:{self.password}@127.0.0.1:{self.ports.postgres}/{DATABASE}"

    def health(self) -> dict[str, object]:
        """The body of `/health`. Raises `httpx.HTTPError` or `ValueError`."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.ports.backend}/health",
            headers={"Host": PUBLIC_NAME},
            timeout=2,
            trust_env=False,
        )
        body: dict[str, object] = answer.json()
        return body

    def is_healthy(self) -> bool:
        try:
            return self.health().get("status") == "healthy"
        except (httpx.HTTPError, ValueError):
            return False


def fault_for(speed: float) -> Fault:
    """The new release's fault, on the clock of a window that runs at `speed`."""
    return Fault(max(2.0, _FAULT_AFTER_CLOCK_S / speed), max(4.0, _FAULT_RAMP_CLOCK_S / speed))


@contextmanager
def running_stack(root: Path, speed: float, say: Say, *, keep: bool = False) -> Iterator[Stack]:
    """A stack for as long as the context lasts; afterwards no process of it is left.

    `keep` leaves its files for a look. Raises `DemoError`.
    """
    place = Place(root.resolve())
    with held(place, _LOCK_PATIENCE_S), _warden(place), ExitStack() as children:
        clear_processes(place)
        clear_files(place)
        try:
            yield _start(place, speed, say, children)
        finally:
            clear_processes(place)
            children.close()
            if not keep:
                clear_files(place)


@contextmanager
def _warden(place: Place) -> Iterator[None]:
    """A process that clears up should this one be killed."""
    environment = marked_environment(place.root)
    del environment[MARK]
    with subprocess.Popen(
        [sys.executable, "-m", "optibid_console.demo.warden", str(place.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    ) as warden:
        yield
        warden.communicate(b"done")


def _start(place: Place, speed: float, say: Say, children: ExitStack) -> Stack:
    ports = free_ports()
    stack = Stack(place, ports, secrets.token_urlsafe(18))
    make_host(place, ports, stack.password, fault_for(speed))
    sshd = children.enter_context(
        spawn_module(
            "sshd", str(place.root), str(ports.ssh),
            root=place.root, log=place.logs / "sshd.log", stdout=subprocess.PIPE,
        )
    )  # fmt: skip
    children.enter_context(
        spawn_module(
            "status_page", str(place.status_page), str(ports.status_page),
            root=place.root, log=place.root / "status-page.log",
        )
    )  # fmt: skip
    postgres.start(place, ports.postgres, stack.password)
    say(f"postgres   127.0.0.1:{ports.postgres}, database {DATABASE}")
    _wait_for_sshd(place, sshd)
    say(f"app-1      127.0.0.1:{ports.ssh}: ssh -F {place.ssh_config} {HOST_NAME}")
    for service in ("backend", "frontend"):
        _start_service(place, service)
    wait_until(stack.is_healthy, _START_S, "the demo's backend did not become healthy")
    say(f"backend    127.0.0.1:{ports.backend}, frontend 127.0.0.1:{ports.frontend}")
    say(f"people     are told at http://127.0.0.1:{ports.status_page}/")
    children.enter_context(
        spawn_module(
            "traffic", str(ports.backend), str(ports.frontend),
            root=place.root, log=place.root / "traffic.log",
        )
    )  # fmt: skip
    write_configuration(place, ports, stack.password, speed)
    say(f"config     {place.config}")
    return stack


def _wait_for_sshd(place: Place, sshd: subprocess.Popen[bytes]) -> None:
    assert sshd.stdout is not None, "it was started with a pipe"
    if sshd.stdout.readline().strip() != b"ready":
        raise DemoError(f"the demo's SSH server did not start; see {place.logs / 'sshd.log'}")


def _start_service(place: Place, service: str) -> None:
    done = subprocess.run(
        [str(place.host / "bin" / service), "start"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_START_S,
        env=marked_environment(place.root),
    )
    if done.returncode != 0:
        raise DemoError(f"bin/{service} start failed: {done.stderr.strip()}")


def main(argv: list[str]) -> int:
    parser = Parser(prog="python -m optibid_console.demo.stack")
    parser.add_argument("--dir", type=Path, default=default_root())
    parser.add_argument("--speed", type=float, default=DEFAULT_SPEED)
    parser.add_argument("--keep", action="store_true", help="leave the files at the end")
    given = parser.parse_args(argv)
    ends = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

    def say(line: str) -> None:
        printed.say(line, err=True)

    try:
        with running_stack(given.dir, given.speed, say, keep=given.keep) as stack:
            signal.pthread_sigmask(signal.SIG_BLOCK, ends)
            printed.say_json({"dir": str(stack.place.root), **asdict(stack.ports)})
            signal.sigwait(ends)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)
    except DemoError as error:
        say(f"demo: {error}")
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
