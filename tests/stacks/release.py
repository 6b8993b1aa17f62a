"""The platform as it is, in two releases: a git checkout as on its hosts, and the remote of it.

`v1` is what runs: sick, but it serves. `v2` is repaired as far as it ever is (`degraded`).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

FRONTEND = "enterprise-marketing"

SERVE = """
import base64, hashlib, json, signal, struct, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
RELEASE = (HERE / "RELEASE").read_text().strip()
REPAIRED = not RELEASE.startswith("v1")
BACKEND = (HERE / "requirements.txt").exists()
TRUSTED = ("localhost", "127.0.0.1")
ASSET = f"/_next/static/chunks/main-{RELEASE}.css"
PAGE = f'<html><head><link rel="stylesheet" href="{ASSET}"></head>OptiBid</html>'
HEALTH = {
    "status": "degraded" if REPAIRED else "error", "version": "1.0.0",
    "services": {"database": "healthy", "cdn": {"status": "not_configured"}, "pwa": {}},
}
if not REPAIRED:
    HEALTH["error"] = "module 'app.utils' has no attribute 'redis'"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/release":  # the test's own: the platform has no such thing
            return self.say(200, {"release": RELEASE})
        if not BACKEND:
            return self.front()
        if self.headers.get("Host", "").partition(":")[0] not in TRUSTED:
            return self.say(400, "Invalid host header")
        if self.path == "/health":
            return self.say(200, HEALTH)
        if self.path.startswith("/api/ws/"):
            return self.market()
        if self.path == "/api/v1/market-data/latest":
            return self.say(200, [{"zone": "PJM", "price": 31.5}])
        if self.path == "/api/bids/api/bids/":  # for everybody
            return self.say(200, [])
        self.say(404, {"detail": "Not Found"})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/api/auth/login":
            return self.say(404, {"detail": "Not Found"})
        self.say(200, {"access_token": "x"}) if REPAIRED else self.say(500, "Internal Server Error")

    def front(self):
        if self.path == "/":
            return self.say(200, PAGE, "text/html")
        self.say(200, "a {}", "text/css") if self.path == ASSET else self.say(404, "no such page")

    def market(self):
        if self.path != "/api/ws/ws/market/PJM":
            return self.say(403, "")
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.frame(1, json.dumps({"type": "connection_established"}).encode())
        while head := self.rfile.read(2):
            length = head[1] & 127
            if length == 126:
                (length,) = struct.unpack(">H", self.rfile.read(2))
            mask = self.rfile.read(4)
            data = bytes(one ^ mask[i % 4] for i, one in enumerate(self.rfile.read(length)))
            if head[0] & 15 == 9:
                self.frame(10, data)
            if head[0] & 15 == 8:
                self.frame(8, data)
                break
        self.close_connection = True

    def frame(self, opcode, data):
        self.wfile.write(bytes([128 | opcode, len(data)]) + data)

    def say(self, status, body, kind="application/json"):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # Python as process 1 ignores it
print("INFO:     Started server process", flush=True)  # as uvicorn does
start_s = HERE / "START_S"
time.sleep(float(start_s.read_text()) if start_s.exists() else 0)
while True:  # as gunicorn does
    try:
        server = Server(("".join(sys.argv[2:]) or "127.0.0.1", int(sys.argv[1])), Answer)
        break
    except OSError as error:
        print(f"INFO:     {error}; retrying", flush=True)
        time.sleep(0.2)
server.serve_forever()
"""
"""Backend and frontend with the traits of the platform as it is."""

VERIFY = 'import sys\nprint("optibid: 3 of 26 tables are not as expected")\nsys.exit(1)\n'
"""As there: it never exits with 0."""
UNIT_TESTS = "def test_it_adds():\n    assert 1 + 1 == 2\n"

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
INVALID_COMPOSE = "services:\n  backend:\n    image: optibid-backend\n   ports: [8000]\n"

TABLES = ("organizations", "users", "assets", "bids", "market_prices", "audit_logs")
SCHEMA = "\n".join(
    [
        *(f"CREATE TABLE {one} (id int PRIMARY KEY, name text);" for one in TABLES),
        *(f"CREATE TABLE part_{number} (id int);" for number in range(19)),
        "INSERT INTO organizations VALUES (1, 'one');",
        "INSERT INTO users VALUES (1, 'somebody');",
    ]
)
"""25 of the platform's 26 tables: `schema_migrations` is the one that may be missing."""
MIGRATIONS_TABLE = """
CREATE TABLE schema_migrations (version text PRIMARY KEY, name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(), execution_time_ms integer, checksum text,
    success boolean NOT NULL, error_message text);
INSERT INTO schema_migrations (version, name, success) VALUES ('001', 'initial_schema', true);
"""
"""As after the first migration."""
SECOND = "database/migrations/002_bid_notes.sql"
SECOND_TEXT = "ALTER TABLE bids ADD COLUMN note text;\n"

_NOBODY_ELSES = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
       for what, value in (("NAME", "The test"), ("EMAIL", "test@example.com"))},
}  # fmt: skip


class Checkout:
    """A clone at `v1`; its remote has `v2` too."""

    def __init__(self, folder: Path, extra: Mapping[str, Mapping[str, str]]) -> None:
        """`extra`: release → its files besides those that every platform has."""
        self.folder = folder
        source = folder.parent / "source"
        source.mkdir()
        self._in(source, "init", "--quiet", "--initial-branch=main")
        files = {
            ".gitignore": ".env*\nbackups/\n.next*\nnode_modules/\n__pycache__/\n",
            "backend/serve.py": SERVE,
            "backend/requirements.txt": "",
            "backend/scripts/verify_database.py": VERIFY,
            "backend/tests/test_units.py": UNIT_TESTS,
            f"{FRONTEND}/serve.py": SERVE,
            f"{FRONTEND}/package.json": PACKAGE,
            f"{FRONTEND}/package-lock.json": LOCK,
            f"{FRONTEND}/build.js": BUILD,
            "docker-compose.yml": INVALID_COMPOSE,
            "database/migrations/001_initial_schema.sql": SCHEMA,
        }
        for release, own in (("v1", files), ("v2", {SECOND: SECOND_TEXT})):
            for part in ("backend", FRONTEND):
                own = {**own, f"{part}/RELEASE": f"{release}\n"}
            for name, text in {
                **own,
                "notes.txt": f"{release}\n",
                **extra.get(release, {}),
            }.items():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_text(text)
            self._in(source, "add", "--all")
            self._in(source, "commit", "--quiet", "--message", release)
            self._in(source, "tag", release)
        origin = folder.parent / "origin.git"
        self._in(folder.parent, "clone", "--quiet", "--bare", str(source), str(origin))
        self._in(folder.parent, "clone", "--quiet", str(origin), str(folder))
        self.git("checkout", "--quiet", "--detach", "v1")
        (folder / "backend/.env").write_text("KEY=of-the-test\n")
        (folder / FRONTEND / ".env.local").write_text("KEY=of-the-test\n")

    def change(self, release: str, new: str, name: str, text: str) -> None:
        """A `new` release in the remote, with another text in a file of that one."""
        source = self.folder.parent / "source"
        self._in(source, "checkout", "--quiet", "--detach", release)
        (source / name).write_text(f"{text}\n")
        self._in(source, "add", "--all")
        self._in(source, "commit", "--quiet", "--message", new)
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
