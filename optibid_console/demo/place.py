"""Where a demo lives: one directory, five ports, and what is where in them."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from optibid_console.paths import state_dir

HOST_NAME = "app-1"
USER = "deploy"
DATABASE = "optibid"
PUBLIC_NAME = "api.optibid.example"
"""The only Host header that the backend trusts, as in production."""
PREVIOUS = "v2.3.0"
NEXT = "v2.4.0"
MIGRATION = "004"
"""The version that the new release's migration leaves in `schema_migrations`."""


@dataclass(frozen=True, slots=True)
class Place:
    """A demo's directory."""

    root: Path

    @property
    def host(self) -> Path:
        """The home directory of `deploy` on app-1."""
        return self.root / HOST_NAME

    @property
    def logs(self) -> Path:
        return self.host / "logs"

    @property
    def status_page(self) -> Path:
        """What the status page and the chat room were told."""
        return self.host / "status-page"

    @property
    def current(self) -> Path:
        """The symlink to the release that is served."""
        return self.host / "current"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def known_hosts(self) -> Path:
        return self.keys / "known_hosts"

    @property
    def identity(self) -> Path:
        return self.keys / "id_ed25519"

    @property
    def ssh_config(self) -> Path:
        """`ssh -F` this one to look around on app-1 by hand."""
        return self.root / "ssh_config"

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def env_file(self) -> Path:
        return self.root / "demo.env"

    @property
    def journal(self) -> Path:
        """The journal of the demo's window."""
        return self.root / "window.journal"

    @property
    def lock(self) -> Path:
        """Held for as long as a demo runs here."""
        return self.root / ".lock"

    @property
    def marker(self) -> Path:
        """It says that the directory is a demo's: what is in it may be removed."""
        return self.root / ".optibid-demo"

    @property
    def postgres_link(self) -> Path:
        """Where PostgreSQL's data is: a symlink, as another user's may have to live elsewhere."""
        return self.root / "postgres"


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on 127.0.0.1."""

    ssh: int
    postgres: int
    backend: int
    frontend: int
    status_page: int


def free_ports() -> Ports:
    """Five ports that nobody listens on now."""
    with ExitStack() as held:
        found = []
        for _ in range(5):
            one = held.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            found.append(one.getsockname()[1])
    return Ports(*found)


def default_root() -> Path:
    """Where a demo lives unless `--dir` says otherwise."""
    return state_dir() / "demo"
