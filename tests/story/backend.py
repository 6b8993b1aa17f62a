"""A stand-in for OptiBid's backend in one of its releases: `backend.py DIRECTORY PORT DSN`.

v1 reads. v2 writes what is wrong into the database all the time, and from when there is a file
`broken` beside it, its /health says `error`, with status 200.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg

HOME, PORT, DSN = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
RELEASE = HOME.name


class Backend(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        bad = RELEASE == "v2" and (HOME / "broken").exists()
        said = {"status": "error", "error": "bids can't be priced"} if bad else {
            "status": "healthy"}  # fmt: skip
        body = json.dumps({**said, "release": RELEASE}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


def write() -> None:
    """Until it is stopped, or its session is ended."""
    with psycopg.connect(DSN, application_name="backend", autocommit=True) as connection:
        for number in range(1, 1_000_000):
            connection.execute("UPDATE bids SET price = 0 WHERE id = %s", [number])
            connection.execute("INSERT INTO audit_logs (said) VALUES ('priced')")
            time.sleep(0.02)


if RELEASE == "v2":
    threading.Thread(target=write, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", PORT), Backend).serve_forever()
