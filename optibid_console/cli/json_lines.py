"""`watch --json`: entries and signals as JSON lines, for machines."""

from __future__ import annotations

import base64
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from optibid_console.codec import to_plain
from optibid_console.entries import Entry, kind_of
from optibid_console.printed import say_json
from optibid_console.signals import LogLines, Output
from optibid_console.source import CaughtUp, Ended, Event, FeedDelay, Lost, Role, Snapshot

if TYPE_CHECKING:
    from optibid_console.source import Source


async def print_window(source: Source) -> int:
    """Print what a source gives until it ends; gives the exit status."""
    ended = False
    try:
        async with aclosing(source.events()) as events:  # type: ignore[type-var]
            async for event in events:
                say_json(line_of(event))
                ended = isinstance(event, Ended)
    finally:
        await source.close()
    return 0 if ended else 1


def line_of(event: Event) -> dict[str, Any]:
    """One JSON object: its first key says what it is (`entry`, `signal`, `lost`, …)."""
    match event:
        case Entry():
            return {"entry": event.to_plain()}
        case CaughtUp():
            return {"caught_up": event.seq}
        case Ended():
            return {"ended": event.reason}
        case Lost():
            return {"lost": event.why, "attempt": event.attempt}
        case Role():
            return {"role": to_plain(event)}
        case Snapshot():
            return {"snapshot": event.state.seq}
        case FeedDelay():
            return {"feed_delay_ms": event.round_trip_ms}
        case LogLines():
            body = {
                "tail": event.tail, "count": event.count, "dropped": event.dropped,
                "notice": event.notice, "at": event.at, **_text(event.data),
            }  # fmt: skip
        case Output():
            body = {
                "run_id": event.run_id, "offset": event.offset, "stream": event.stream,
                **_text(event.data),
            }  # fmt: skip
        case _:
            body = to_plain(event)
    return {"signal": kind_of(type(event)), "body": body}


def _text(data: bytes) -> dict[str, str]:
    """As text where it is UTF-8, else in base64: no byte is lost."""
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
