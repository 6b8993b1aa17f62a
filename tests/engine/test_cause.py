"""Which line of a command's output is told as the cause of its failure."""

from __future__ import annotations

import time

import pytest

from optibid_console.engine.cause import CauseFinder
from optibid_console.engine.output import OutputTrail
from optibid_console.runbook.secrets import Secrets
from optibid_console.targets.streams import Stream
from optibid_console.targets.target import OutputChunk

GIT = """\
Enumerating objects: 5, done.
fatal: 'origin' does not appear to be a git repository
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""
PSQL = """\
SET
psql:004_bids.sql:3: ERROR:  column "price" of relation "bids" already exists
LINE 1: ALTER TABLE bids ADD price int;
                             ^
"""
PUSH = """\
To git.example.com:optibid.git
 ! [rejected]        v2.4.0 -> v2.4.0 (already exists)
error: failed to push some refs to 'git.example.com:optibid.git'
hint: Updates were rejected because the tag already exists in the remote.
"""
TRACEBACK = """\
Applying 0 errors so far
Traceback (most recent call last):
  File "run.py", line 3, in <module>
    raise asyncpg.exceptions.DuplicateColumnError("price")
asyncpg.exceptions.DuplicateColumnError: column "price" already exists
cleaning up
"""
COMPOSE = """\
Stopping optibid_backend_1 ... done
ERROR: for backend  Cannot start service backend: port is already allocated
Encountered errors while bringing up the project.
"""


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (GIT, "fatal: 'origin' does not appear to be a git repository"),
        (PSQL, 'psql:004_bids.sql:3: ERROR: column "price" of relation "bids" already exists'),
        (PUSH, "! [rejected] v2.4.0 -> v2.4.0 (already exists)"),
        (TRACEBACK, 'asyncpg.exceptions.DuplicateColumnError: column "price" already exists'),
        (COMPOSE, "ERROR: for backend Cannot start service backend: port is already allocated"),
        ("sh: 1: pg_dmp: not found\n", "sh: 1: pg_dmp: not found"),
        ("cat: x: No such file or directory\nbye\n", "cat: x: No such file or directory"),
        ("Error from server (NotFound): deployments \"b\" not found\nsee logs\n",
         'Error from server (NotFound): deployments "b" not found'),
        ("npm ERR! code E404\nnpm ERR! log: /x\n", "npm ERR! code E404"),
        ("2026-11-24 01:57:11 - main - ERROR - Health check failed: x\nexiting\n",
         "2026-11-24 01:57:11 - main - ERROR - Health check failed: x"),
        ("Job for optibid-backend.service failed because\nSee systemctl status\n",
         "Job for optibid-backend.service failed because"),
        ("one\ntwo\n", "two"),
        ("errors: 0\nno errors\nlast words", "last words"),
        ("an error: without a line end", "an error: without a line end"),
        ("", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_first_line_that_names_a_cause(output: str, cause: str, size: int) -> None:
    data = output.encode()
    trail = OutputTrail("r-1", Secrets({}).redactor)
    for at in range(0, len(data), size):
        list(trail.take(OutputChunk(at, data[at : at + size])))
    list(trail.end())
    assert trail.cause() == cause


def test_a_cause_on_stderr_isnt_torn_apart_by_stdout() -> None:
    trail = OutputTrail("r-1", Secrets({}).redactor)
    for data, stream in ((b"fatal: no ", Stream.STDERR), (b"50 %\n", Stream.STDOUT),
                         (b"remote\n", Stream.STDERR)):  # fmt: skip
        list(trail.take(OutputChunk(0, data, stream)))
    list(trail.end())
    assert trail.cause() == "fatal: no remote"


def test_a_secret_in_the_cause_is_redacted() -> None:
    trail = OutputTrail("r-1", Secrets({"P": "hunter2-hunter2"}).redactor)
    list(trail.take(OutputChunk(0, b"fatal: bad password hunter2-hunter2\n")))
    list(trail.end())
    assert trail.cause() == "fatal: bad password [REDACTED]"


def test_a_flood_costs_little() -> None:
    """A finder reads 64 MB without a hint, and 100,000 lines with one, in CPU seconds."""
    finder = CauseFinder()
    chunk = b"INFO: 127.0.0.1:50590 - GET /health HTTP/1.1 200 OK\n" * 5_000
    began = time.process_time()
    for _ in range(240):
        finder.feed(chunk)
    for _ in range(20):
        finder.feed(b"changed=1 failed=0 error count no errors\n" * 5_000)
    assert finder.line == b""
    assert time.process_time() - began < 2.5


@pytest.mark.parametrize("line", [b"a." * 40_000, b"no " * 30_000, b": " * 40_000, b"0 " * 40_000])
def test_a_hostile_line_costs_little(line: bytes) -> None:
    finder = CauseFinder()
    began = time.process_time()
    finder.feed(line + b"rror\n")
    finder.flush()
    assert time.process_time() - began < 0.2
