"""How the stand-in's two servers are served and logged: as OptiBid's are."""

from __future__ import annotations

import logging
import sys
import time

import uvicorn
from starlette.types import ASGIApp


def log_like_optibid() -> logging.Logger:
    """`2026-11-24 01:57:11 - main - INFO - …` on stdout, in UTC."""
    handler = logging.StreamHandler(sys.stdout)
    form = logging.Formatter(
        "%(asctime)s - %(name)s - %(levelname)s - %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    form.converter = time.gmtime
    handler.setFormatter(form)
    logger = logging.getLogger("main")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger


def serve(app: ASGIApp, port: int) -> None:
    """Serve on 127.0.0.1 until told to end, with uvicorn's own access lines."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        ws="websockets-sansio",
        use_colors=False,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
