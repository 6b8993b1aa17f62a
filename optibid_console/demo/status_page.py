"""Where the demo tells people: `python -m optibid_console.demo.status_page DIR PORT`.

A chat room (`POST /chat`, as Apprise's `json://` writes to it) and a status page
(`PATCH /status`) on 127.0.0.1. Everybody can read both at `/`, and DIR has them as files:
`messages.log` and `status.json`.
"""

from __future__ import annotations

import json
import sys
import time
from html import escape
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from optibid_console.demo.serving import serve
from probes.text import one_line

MESSAGES = "messages.log"
STATUS = "status.json"
_SHOWN = 40
_PAGE = """<!doctype html>
<html lang="en"><head><title>OptiBid status</title></head>
<body><h1>{state}</h1><p>{title}</p><pre>{messages}</pre></body></html>
"""


def build(room: Path) -> Starlette:
    """The page and the chat room, kept in `room`."""
    messages, status = room / MESSAGES, room / STATUS

    async def chat(request: Request) -> Response:
        said = await request.json()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        text = one_line(f"{said['title']} | {said['message']}", 400)
        with messages.open("a") as file:
            file.write(f"{stamp} - told - INFO - {text}\n")
        return JSONResponse({"ok": True})

    async def update(request: Request) -> Response:
        said = await request.json()
        status.write_text(json.dumps({"state": said["state"], "title": said["title"]}))
        return JSONResponse({"ok": True})

    async def page(request: Request) -> Response:
        now = json.loads(status.read_text())
        lines = messages.read_text().splitlines()[-_SHOWN:]
        shown = {"state": now["state"], "title": now["title"], "messages": "\n".join(lines)}
        return HTMLResponse(_PAGE.format(**{key: escape(one) for key, one in shown.items()}))

    return Starlette(
        routes=[
            Route("/", page),
            Route("/chat", chat, methods=["POST"]),
            Route("/status", update, methods=["PATCH"]),
        ]
    )


def main() -> None:
    room = Path(sys.argv[1])
    (room / MESSAGES).touch()
    (room / STATUS).write_text(json.dumps({"state": "operational", "title": ""}))
    serve(build(room), int(sys.argv[2]))


if __name__ == "__main__":
    main()
