"""One try through real processes and real sockets."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from optibid_console.engine.sending import NotTold, raise_unless_told, send
from optibid_console.runbook.channels import Channel, ChannelKind, Event
from optibid_console.runbook.secrets import Secrets
from optibid_console.telling import Message
from probes.probe import Seconds

FACTS = {
    "message.title": "ROLLBACK BEGUN", "message.body": "errors 9 %", "message.state": "major",
    "event.id": "rollback-begun", "event.at": "20:17:42Z", "event.reason": "why ${TOKEN}",
}  # fmt: skip
MESSAGE = Message(
    7, "x", Event.ROLLBACK_BEGUN, 1_800_000_000.0, "ROLLBACK BEGUN", "errors 9 %", FACTS
)
SECRETS = Secrets({"TOKEN": "tok-sesame-open", "URL": "json://ada:pass-word-1@127.0.0.1:1/room-77"})


def channel(url: str, kind: str = "status-page", **more: Any) -> Channel:
    return Channel("x", ChannelKind(kind), url, (Event.ROLLBACK_BEGUN,), **more)


async def test_apprise_tells_title_body_and_type(page: Any) -> None:
    await send(channel(f"json://{page.address}/hook", "apprise"), MESSAGE, SECRETS)
    (asked,) = page.asked
    assert asked["path"] == "/hook"
    assert asked["body"]["title"] == "ROLLBACK BEGUN"
    assert asked["body"]["message"] == "errors 9 %"
    assert asked["body"]["type"] == "warning"


async def test_apprise_s_failure_is_said_without_any_part_of_the_secret_url() -> None:
    with pytest.raises(NotTold) as caught:
        await send(channel("${URL}", "apprise"), MESSAGE, SECRETS)
    assert "onnection error" in str(caught.value)
    for part in ("ada", "pass-word-1", "127.0.0.1", "room-77"):
        assert part not in str(caught.value)


async def test_an_unknown_service_is_named_but_not_its_secret() -> None:
    secrets = Secrets({"URL": "slakc://tokenA-long/tokenB-long"})
    with pytest.raises(NotTold, match="slakc") as caught:
        await send(channel("${URL}", "apprise"), MESSAGE, secrets)
    assert "tokenA-long" not in str(caught.value)
    assert "tokenB-long" not in str(caught.value)


async def test_apprise_that_hangs_is_ended_at_the_time_limit(page: Any) -> None:
    page.hangs = True
    begun = time.monotonic()
    one = channel(f"json://{page.address}/?rto=60", "apprise", timeout=Seconds(2))
    with pytest.raises(NotTold, match=r"^no answer within 2 s$"):
        await send(one, MESSAGE, SECRETS)
    assert time.monotonic() - begun < 8


def test_what_a_broken_child_said_is_the_reason() -> None:
    with pytest.raises(NotTold, match=r"ended with status -9: killed"):
        raise_unless_told(-9, b"", b"first\nkilled\n")
    with pytest.raises(NotTold, match="doesn't say why"):
        raise_unless_told(0, b'{"ok": false, "said": ""}', b"")
    raise_unless_told(0, b'{"ok": true, "said": ""}', b"")


async def test_a_status_page_gets_the_body_of_the_runbook_filled_in(page: Any) -> None:
    one = channel(
        f"http://{page.address}/v1/incidents",
        method="PATCH",
        headers={"Authorization": "OAuth ${TOKEN}"},
        body={
            "incident": {"name": "${message.title}", "status": "${message.state}", "n": 3},
            "list": ["${event.reason}", "$${TOKEN} is literal", "${TOKEN}"],
        },
    )
    await send(one, MESSAGE, SECRETS)
    (asked,) = page.asked
    assert (asked["method"], asked["path"]) == ("PATCH", "/v1/incidents")
    assert asked["headers"]["authorization"] == "OAuth tok-sesame-open"
    assert asked["body"] == {
        "incident": {"name": "ROLLBACK BEGUN", "status": "major", "n": 3},
        "list": ["why ${TOKEN}", "${TOKEN} is literal", "tok-sesame-open"],
    }


async def test_a_status_page_without_a_body_gets_the_message(page: Any) -> None:
    await send(channel(f"http://{page.address}/"), MESSAGE, SECRETS)
    assert page.asked[0]["body"] == {
        "title": "ROLLBACK BEGUN", "body": "errors 9 %", "event": "rollback-begun",
        "state": "major", "at": "20:17:42Z",
    }  # fmt: skip


async def test_a_status_page_s_refusal_is_said_without_the_secret(page: Any) -> None:
    page.statuses = [503]
    one = channel(f"http://{page.address}/${{TOKEN}}/x", body={"key": "${TOKEN}"})
    with pytest.raises(NotTold) as caught:
        await send(one, MESSAGE, SECRETS)
    said = str(caught.value)
    assert said.startswith("status 503 Said So: no, because /[REDACTED]/x")
    assert "sesame" not in said


async def test_a_status_page_that_is_away_is_named(nobody: int) -> None:
    with pytest.raises(NotTold, match="Connection refused"):
        await send(channel(f"http://127.0.0.1:{nobody}/"), MESSAGE, SECRETS)


async def test_a_status_page_that_hangs_is_left_at_the_time_limit(page: Any) -> None:
    page.hangs = True
    one = channel(f"http://{page.address}/", timeout=Seconds(0.5))
    with pytest.raises(NotTold, match=r"no answer within 0\.5 s|ReadTimeout"):
        await asyncio.wait_for(send(one, MESSAGE, SECRETS), 10)


async def test_an_address_that_is_none_is_said() -> None:
    secrets = Secrets({"PAGE": "http://page:eighty/"})
    with pytest.raises(NotTold, match="not a web address"):
        await send(channel("${PAGE}"), MESSAGE, secrets)
