"""A process of its own that tells one message through Apprise, and ends.

`python -m optibid_console.engine.apprise_child` reads one JSON object from standard input
(`url`, `title`, `body`, `type`, `limit_s`) and writes one (`ok`, `said`). Apprise blocks, its
hundred services are loaded with the first message, and some of them know no time limit: in a
process it can be ended, and costs the engine's loop nothing.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from typing import Any

from probes.error_words import error_words


class _Heard(logging.Handler):
    """What Apprise says of a failure: its log is the only place where it does."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def tell(asked: dict[str, Any]) -> dict[str, Any]:
    """Tell the message; whether the service took it, and what Apprise said."""
    try:
        import apprise
    except ImportError as error:
        return {"ok": False, "said": f"Apprise isn't installed: {error}"}

    heard = _Heard()
    log = logging.getLogger("apprise")
    log.addHandler(heard)
    log.propagate = False
    asset = apprise.AppriseAsset(
        app_id="OptiBid console", app_desc="OptiBid deployment console",
        async_mode=False, secure_logging=True,
    )  # fmt: skip
    try:
        service = apprise.Apprise.instantiate(asked["url"], asset=asset)
        if service is None:
            said = " ".join(heard.lines) or "Apprise knows no such URL"
            return {"ok": False, "said": said}
        kind = apprise.NotifyType(asked["type"])
        done = service.notify(body=asked["body"], title=asked["title"], notify_type=kind)
    except Exception as error:  # a service's own bug: it is told as what it is
        return {"ok": False, "said": error_words(error)}
    return {"ok": bool(done), "said": " ".join(heard.lines)}


def main() -> int:
    asked = json.load(sys.stdin)
    # should the engine be gone by then, nobody else would end it
    signal.setitimer(signal.ITIMER_REAL, float(asked["limit_s"]))
    json.dump(tell(asked), sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
