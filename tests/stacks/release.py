"""OptiBid's stand-in in two releases: a git checkout as on its hosts, and the remote of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

SERVE = """
import json, signal, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RELEASE = Path(__file__).with_name("RELEASE").read_text().strip()

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        kind = "text/css" if self.path.endswith(".css") else "application/json"
        status = "error" if "broken" in RELEASE else "healthy"
        body = json.dumps({"status": status, "release": RELEASE}).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *words):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print("INFO:     Started server process", flush=True)  # as uvicorn does
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
"""Backend and frontend: it says which release it is. Python as process 1 ignores SIGTERM."""

SMOKE = """
import urllib.request

def test_it_answers():
    assert urllib.request.urlopen("http://127.0.0.1:{port}/health", timeout=5).status == 200
"""

PACKAGE = '{"name": "frontend", "version": "1.0.0", "scripts": {"build": "node build.js"}}'
LOCK = """{
    "name": "frontend", "version": "1.0.0", "lockfileVersion": 3,
    "packages": {"": {"name": "frontend", "version": "1.0.0"}}
}"""
BUILD = """
const fs = require("fs");
fs.mkdirSync(".next", { recursive: true });
fs.copyFileSync("RELEASE", ".next/BUILD_ID");
"""

_NOBODY_ELSES = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
       for what, value in (("NAME", "The test"), ("EMAIL", "test@example.com"))},
}  # fmt: skip


class Checkout:
    """A clone at `v1`; its remote has `v2` too, and `broken`, which isn't healthy."""

    def __init__(self, folder: Path, backend_port: int, extra: Mapping[str, str]) -> None:
        self.folder = folder
        source = folder.parent / "source"
        source.mkdir()
        self._in(source, "init", "--quiet", "--initial-branch=main")
        files = {
            ".gitignore": ".env*\nbackups/\n.next*\nnode_modules/\n__pycache__/\n",
            "backend/serve.py": SERVE,
            "backend/requirements.txt": "",
            "backend/tests/test_critical_paths.py": SMOKE.format(port=backend_port),
            "frontend/serve.py": SERVE,
            "frontend/package.json": PACKAGE,
            "frontend/package-lock.json": LOCK,
            "frontend/build.js": BUILD,
            "database/migrations/001_initial.sql": "SELECT 1;\n",
            "notes.txt": "v1\n",
            **extra,
        }
        for name, text in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
        for release in ("v1", "v2", "broken"):
            for part in ("backend", "frontend"):
                (source / part / "RELEASE").write_text(f"{release}\n")
            (source / "notes.txt").write_text(f"{release}\n")
            self._in(source, "add", "--all")
            self._in(source, "commit", "--quiet", "--message", release)
            self._in(source, "tag", release)
        origin = folder.parent / "origin.git"
        self._in(folder.parent, "clone", "--quiet", "--bare", str(source), str(origin))
        self._in(folder.parent, "clone", "--quiet", str(origin), str(folder))
        self.git("checkout", "--quiet", "--detach", "v1")
        (folder / "backend/.env").write_text("KEY=of-the-test\n")
        (folder / "frontend/.env.local").write_text("KEY=of-the-test\n")

    def change(self, release: str, new: str, name: str, text: str) -> None:
        """A `new` release in the remote, with another text in a file of that one."""
        source = self.folder.parent / "source"
        self._in(source, "checkout", "--quiet", "--detach", release)
        (source / name).write_text(f"{text}\n")
        self._in(source, "commit", "--quiet", "--all", "--message", new)
        self._in(source, "tag", new)
        origin = str(self.folder.parent / "origin.git")
        self._in(source, "push", "--quiet", origin, new)

    def git(self, *words: str) -> str:
        """What git says in the checkout."""
        return self._in(self.folder, *words)

    def _in(self, folder: Path, *words: str) -> str:
        env = {**os.environ, **_NOBODY_ELSES}
        done = subprocess.run(
            ["git", *words], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


GIT_ENVIRONMENT: Mapping[str, str] = _NOBODY_ELSES
"""What a host needs so that its git is nobody else's."""
