"""A page's process over a recording: what it does is told by the token that it got."""

from __future__ import annotations

import os
import signal
import sys
import time

from tests.screens.recorded_source import RecordedSource, played


def main() -> int:
    token = os.environ["TEST_TOKEN"]
    if token == "taken-back":
        sys.stderr.write("the feed turns this screen away:\x1b[31m it was taken back\n")
        return 3
    if token == "environment":
        sys.stderr.write(" ".join(sorted(os.environ)))
        return 1
    if token == "flood":
        packet = b"D" + (65536).to_bytes(4, "big") + b"x" * 65536
        os.write(1, b"__GANGLION__\n")
        while True:
            os.write(1, packet)
    if token == "simple":  # is there at once, and says nothing
        os.write(1, b"__GANGLION__\n")
        while sys.stdin.buffer.read1():
            pass
        return 0
    from screens.app import ConsoleApp
    from tests.screens import recording as rec

    async def connect() -> RecordedSource:
        return RecordedSource(played(rec.good_day(), operator=False))

    app = ConsoleApp(connect, "test", saves_files=False)
    if token == "stubborn":  # starts, then hears nothing any more
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        app.call_later = lambda *_args, **_kwargs: time.sleep(3600)  # type: ignore[method-assign]
    app.run()
    return app.return_code or 0


sys.exit(main())
