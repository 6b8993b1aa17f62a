"""app-1 as files: its scripts, its environment, its releases and its SSH keys."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import asyncssh

from optibid_console.demo.fault import Fault
from optibid_console.demo.place import DATABASE, HOST_NAME, USER, Place, Ports
from optibid_console.demo.postgres import tool
from optibid_console.demo.processes import marked_environment
from optibid_console.demo.release import write_releases

SCRIPTS = Path(__file__).parent / "host"


def make_host(place: Place, ports: Ports, password: str, fault: Fault) -> None:
    """Everything that is on app-1 before its services start."""
    for name in ("bin", "etc", "logs", "run", "backups", "releases", "status-page"):
        (place.host / name).mkdir(parents=True)
    for script, names in {
        "service": ("backend", "frontend"),
        "migrate": ("migrate",),
        "deploy": ("deploy",),
    }.items():
        for name in names:
            shutil.copyfile(SCRIPTS / script, place.host / "bin" / name)
            (place.host / "bin" / name).chmod(0o755)
    for program in ("psql", "pg_dump", "pg_restore"):
        (place.host / "bin" / program).symlink_to(tool(program))
    _write_private(place.host / "etc" / "host.env", _host_environment(place, ports, password))
    for name in ("backend", "frontend"):
        (place.logs / f"{name}.log").touch()
    write_releases(place, fault)
    _make_keys(place, ports.ssh)


def _host_environment(place: Place, ports: Ports, password: str) -> str:
    url = f"postgresql://optibid:{password}@127.0.0.1:{ports.postgres}/{DATABASE}"
    values = {
        "PYTHON": sys.executable,
        "PYTHONPATH": marked_environment(place.root)["PYTHONPATH"],
        "BACKEND_PORT": str(ports.backend),
        "FRONTEND_PORT": str(ports.frontend),
        "DATABASE_URL": url,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(ports.postgres),
        "PGUSER": "optibid",
        "PGDATABASE": DATABASE,
        "PGPASSWORD": password,
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _make_keys(place: Place, port: int) -> None:
    place.keys.mkdir(mode=0o700)
    host_key = asyncssh.generate_private_key("ssh-ed25519", comment=HOST_NAME)
    user_key = asyncssh.generate_private_key("ssh-ed25519", comment=f"{USER}@demo")
    _write_private(place.keys / "host_ed25519", host_key.export_private_key().decode())
    _write_private(place.identity, user_key.export_private_key().decode())
    public = user_key.export_public_key().decode()
    (place.keys / "authorized_keys").write_text(public)
    names = f"{HOST_NAME},[{HOST_NAME}]:{port},[127.0.0.1]:{port}"
    place.known_hosts.write_text(f"{names} {host_key.export_public_key().decode()}")
    place.ssh_config.write_text(
        f"Host {HOST_NAME}\n"
        f"  HostName 127.0.0.1\n  Port {port}\n  User {USER}\n"
        f'  IdentityFile "{place.identity}"\n  IdentitiesOnly yes\n'
        f'  UserKnownHostsFile "{place.known_hosts}"\n  StrictHostKeyChecking yes\n'
    )


def _write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
