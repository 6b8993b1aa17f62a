"""One try to tell one message through one channel."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from optibid_console.runbook.channels import Channel, ChannelKind, Event
from optibid_console.runbook.secrets import Secrets
from optibid_console.telling import Message, filled
from probes.error_words import error_words
from probes.text import one_line

if TYPE_CHECKING:
    import httpx

_MOST_SAID = 300
_MOST_READ = 2000
_CHILD_GRACE_S = 2.0
_HERE = ("127.0.0.1", "localhost", "::1")
"""Reached without the proxy that the environment may name."""
_TYPES: Mapping[Event, str] = {
    Event.CRITERION_TRIPPED: "failure", Event.ACTION_FAILED: "failure",
    Event.STEP_FAILED: "failure", Event.ESCALATION_RUNG: "warning", Event.HELD: "warning",
    Event.ROLLBACK_BEGUN: "warning", Event.ROLLBACK_DONE: "success",
    Event.CRITERION_CLEARED: "success", Event.ESCALATION_ENDED: "success",
}  # fmt: skip
"""Event → Apprise's type of a message; others are `info`."""


class NotTold(Exception):
    """The channel didn't take the message; the text says why, without any secret."""


async def send(channel: Channel, message: Message, secrets: Secrets) -> None:
    """Tell `message` now. Raises `NotTold`; gives up after the channel's `timeout`."""
    try:
        async with asyncio.timeout(channel.timeout):
            if channel.kind is ChannelKind.APPRISE:
                await _through_apprise(channel, message, secrets)
            else:
                await _to_status_page(channel, message, secrets)
    except TimeoutError:
        raise NotTold(f"no answer within {channel.timeout:g} s") from None
    except NotTold as error:
        clean = secrets.redact(_parts_of_secrets(channel, secrets).redact(str(error)))
        raise NotTold(one_line(clean, _MOST_SAID)) from None


# Apprise


async def _through_apprise(channel: Channel, message: Message, secrets: Secrets) -> None:
    asked = {
        "url": secrets.reveal(channel.url),
        "title": message.title,
        "body": message.body or message.title,
        "type": _TYPES.get(message.event, "info"),
        "limit_s": channel.timeout + _CHILD_GRACE_S,
    }
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "optibid_console.engine.apprise_child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise NotTold(f"no process can be started: {error.strerror}") from error
    try:
        out, err = await child.communicate(json.dumps(asked).encode())
    finally:
        await _end(child)
    raise_unless_told(child.returncode, out, err)


def raise_unless_told(status: int | None, out: bytes, err: bytes) -> None:
    """Read what the child said. Raises `NotTold`."""
    try:
        answer = json.loads(out)
        told, said = answer["ok"] is True, str(answer["said"])
    except (ValueError, KeyError, TypeError):
        last = err.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise NotTold(f"Apprise's process ended with status {status}: {last}") from None
    if not told:
        raise NotTold(said or "the service refused it; Apprise doesn't say why")


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


# A status page


async def _to_status_page(channel: Channel, message: Message, secrets: Secrets) -> None:
    def known(name: str) -> str:
        return message.facts.get(name, "") if "." in name else secrets.reveal(f"${{{name}}}")

    body = filled(channel.body or _PLAIN_BODY, known)
    url, headers = secrets.reveal(channel.url), secrets.reveal_all(channel.headers)
    # loading httpx and its certificates would hold the loop up
    client = await asyncio.to_thread(_client, url, channel.timeout)
    import httpx  # it is there now; without a status page nobody needs it

    try:
        async with (
            client,
            client.stream(channel.method, url, json=body, headers=headers) as answer,
        ):
            if not answer.is_success:
                said = await _beginning(answer)
                raise NotTold(f"status {answer.status_code} {answer.reason_phrase}: {said}")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        raise NotTold(error_words(error)) from error


def _client(url: str, timeout_s: float) -> httpx.AsyncClient:
    """Raises `NotTold` for an address that is none."""
    import httpx

    try:
        host = httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise NotTold(f"not a web address: {error}") from error
    return httpx.AsyncClient(timeout=timeout_s, trust_env=host not in _HERE)


_PLAIN_BODY: Mapping[str, str] = {
    "title": "${message.title}", "body": "${message.body}", "event": "${event.id}",
    "state": "${message.state}", "at": "${event.at}",
}  # fmt: skip


async def _beginning(answer: httpx.Response) -> str:
    data = b""
    async for chunk in answer.aiter_bytes():
        data += chunk
        if len(data) >= _MOST_READ:
            break
    return data[:_MOST_READ].decode("utf-8", "replace").strip()


def _parts_of_secrets(channel: Channel, secrets: Secrets) -> Secrets:
    """The parts of the channel's secrets: an error about `slack://a/b/c` may say only `b`."""
    parts: dict[str, str] = {}
    for value in secrets.env_for(f"{channel.url} {' '.join(channel.headers.values())}").values():
        for part in re.split(r"[/:@?&=#,\s]+", value.partition("://")[2] or value):
            parts[part] = part
            parts[unquote(part)] = unquote(part)
    return Secrets(parts)
