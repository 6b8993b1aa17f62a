"""`tell --test CHANNEL`: one message through one channel, to see that it arrives."""

from __future__ import annotations

import asyncio
import difflib
import os
import time
from argparse import Namespace

from optibid_console.printed import say, say_json
from optibid_console.runbook.load import load
from probes.text import one_line


def tell(options: Namespace) -> int:
    """0 when the channel took the message, 1 when it didn't, 2 when there is no such channel
    or it lacks a value."""
    from optibid_console.engine.sending import NotTold, send
    from optibid_console.telling import rehearsal

    loaded = load(options.config, os.environ)
    known, name = loaded.runbook.tell, options.test
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        listed = ", ".join(known) or "none: the runbook has no [tell.NAME]"
        return _said(options, 2, f'no channel "{one_line(name)}"; channels are {listed}{hint}')
    if name in loaded.channels_off:
        return _said(options, 2, f"{name}: {loaded.channels_off[name]}")
    message = rehearsal(known[name], loaded.runbook, time.time())
    begun = time.monotonic()
    try:
        asyncio.run(send(known[name], message, loaded.secrets))
    except NotTold as error:
        return _said(options, 1, f"{name}: {error}")
    return _said(options, 0, f"{name} took {message.title!r} in {time.monotonic() - begun:.1f} s")


def _said(options: Namespace, status: int, text: str) -> int:
    if options.json:
        say_json({"ok": status == 0, "said": text})
    else:
        say(f"{'✗' if status else '✓'} {text}", err=status == 2)
    return status
