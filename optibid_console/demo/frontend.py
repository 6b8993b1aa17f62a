"""The stand-in for OptiBid's frontend: `python -m optibid_console.demo.frontend RELEASE_DIR`.

A page and its stylesheet on 127.0.0.1:$FRONTEND_PORT, as a built Next.js application has them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from optibid_console.demo.release import Release, read_release
from optibid_console.demo.serving import log_like_optibid, serve

_PAGE = """<!doctype html>
<html lang="en"><head><title>OptiBid {version}</title>
<link rel="stylesheet" href="/_next/static/css/main.css"></head>
<body><main id="__next"><h1>OptiBid {version}</h1></main></body></html>
"""


def build(release: Release) -> Starlette:
    """The release's pages as an ASGI application."""

    async def page(request: Request) -> Response:
        return HTMLResponse(_PAGE.format(version=release.version))

    async def stylesheet(request: Request) -> Response:
        return Response("body { font-family: sans-serif }\n", media_type="text/css")

    return Starlette(routes=[Route("/", page), Route("/_next/static/css/main.css", stylesheet)])


def main() -> None:
    release = read_release(Path(sys.argv[1]))
    log_like_optibid().info("OptiBid frontend %s starting, pid %d", release.version, os.getpid())
    serve(build(release), int(os.environ["FRONTEND_PORT"]))


if __name__ == "__main__":
    main()
