"""config.toml's own status page, told through the standard library's HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from optibid_console.codec import to_plain
from optibid_console.engine.sending import NotTold, send
from optibid_console.entries import ActionStarted
from optibid_console.runbook.load import Loaded, load
from tests.core.conftest import Story
from tests.runbook.test_optibid_config import CONFIG, environment
from tests.telling.test_messages import told

VALUES = {
    "STATUS_PAGE_ID": "page-1", "STATUS_PAGE_COMPONENT": "api-2", "STATUS_PAGE_KEY": "key-sesame-3",
}  # fmt: skip


class Provider(ThreadingHTTPServer):
    """Keeps what it was asked; answers as Statuspage does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked: list[dict[str, Any]] = []
        self.status = 200


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers["authorization"]
        self.server.asked.append({"path": self.path, "key": key, "body": body})
        said = json.dumps({"error": f"no {key}"} if self.server.status != 200 else {}).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def optibid(tmp_path: Path, provider: Provider) -> Loaded:
    here = f"http://127.0.0.1:{provider.server_port}"
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.read_text().replace("https://api.statuspage.io", here))
    config.with_name("production.env").touch()
    return load(config, {**environment(), **VALUES})


async def test_a_rollback_that_begins_is_on_the_status_page(
    optibid: Loaded, provider: Provider
) -> None:
    story = Story(optibid.runbook)
    assert to_plain(optibid.runbook.tell["status-page"])["kind"] == "status-page"
    story.add(ActionStarted("rollback", "rollback1", ("R1",), ("errors 9 %",)))
    (message,) = (one for one in told(story) if one.channel == "status-page"
                  and one.event == "rollback-begun")  # fmt: skip
    channel = optibid.runbook.tell["status-page"]
    await send(channel, message, optibid.secrets)
    (asked,) = provider.asked
    assert asked == {
        "path": "/v1/pages/page-1/components/api-2",
        "key": "OAuth key-sesame-3",
        "body": {"component": {"status": "partial_outage", "description": message.title}},
    }
    provider.status = 422
    with pytest.raises(NotTold, match="status 422") as caught:
        await send(channel, message, optibid.secrets)
    assert "sesame" not in str(caught.value)
