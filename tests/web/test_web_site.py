"""The web server as an attacker, a stranger and a browser meet it; without a browser."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from optibid_console.admission.connections import ConnectionLimits
from optibid_console.admission.throttle import ThrottlePolicy
from optibid_console.web import page as page_module
from optibid_console.web import site as site_module
from optibid_console.web.flow import AHEAD_BYTES, Flow
from optibid_console.web.page import Page
from optibid_console.web.site import Listening
from tests.web.conftest import REPOSITORY, Served, alive, closing, drawn, serving

FONT = "static/mono.ttf"


async def test_a_wrong_token_starts_no_process_and_gives_no_cookie(served: Served) -> None:
    answer = await served.enter("wrong")
    assert answer.status_code == 403
    assert "doesn't open the window" in answer.json()["why"]
    assert not answer.cookies
    assert (await served.client.get("/window")).headers["location"] == "/"
    with pytest.raises(InvalidStatus) as refused:
        async with served.page():
            pass
    assert refused.value.response.status_code == 403
    assert served.site.processes == ()
    assert served.told == ["a token from 127.0.0.1 was turned away (1 time)"]


@pytest.mark.parametrize(
    "token", ["", " ", None, 7, ["good"], "x" * 3000, "a\nb", "ÿ"],
    ids=["empty", "blank", "null", "number", "list", "long", "lines", "umlaut"],
)  # fmt: skip
async def test_what_is_no_token_never_reaches_the_feed(served: Served, token: object) -> None:
    assert (await served.enter(token)).status_code == 400
    assert served.door.asked == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"[" * 4000], ids=["none", "cut", "list", "null", "deep"]
)
async def test_what_is_no_json_is_bad_input(served: Served, body: bytes) -> None:
    headers = {"Origin": served.base, "Content-Type": "application/json"}
    assert (await served.client.post("/enter", content=body, headers=headers)).status_code == 400


async def test_a_body_that_is_too_large_is_refused(served: Served) -> None:
    headers = {"Origin": served.base, "Content-Type": "application/json"}
    answer = await served.client.post("/enter", content=b"x" * 100_000, headers=headers)
    assert answer.status_code == 413


async def test_a_feed_that_does_not_answer_is_no_wrong_token(served: Served) -> None:
    answer = await served.enter("unreachable")
    assert answer.status_code == 503
    assert "doesn't answer" in answer.json()["why"]
    assert served.told == []


async def test_the_cookie_is_for_this_page_s_own_requests_alone(served: Served) -> None:
    (cookie,) = (await served.enter("good")).headers.get_list("set-cookie")
    name, _, rest = cookie.partition("=")
    assert name == f"optibid-{served.site.port}"
    assert "good" not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {one.strip() for one in rest.split(";")}


async def test_who_leaves_has_to_show_the_token_again(served: Served) -> None:
    await served.enter("good")
    assert (await served.client.get("/entered")).json() == {"entered": True}
    cookie = served.cookie
    await served.client.post("/leave", headers={"Origin": served.base})
    again = await served.client.get("/entered", headers={"Cookie": cookie})
    assert again.json() == {"entered": False}


@pytest.mark.parametrize("path", ["/", "/window", "/entered", f"/{FONT}", "/ws"])
async def test_a_name_that_is_not_its_own_is_answered_nothing(served: Served, path: str) -> None:
    await served.enter("good")
    evil = f"evil.example:{served.site.port}"
    answer = await served.client.get(path, headers={"Host": evil, "Origin": f"http://{evil}"})
    assert answer.status_code == 421
    assert "OptiBid" not in answer.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
async def test_another_site_s_page_can_do_nothing(served: Served, origin: str) -> None:
    await served.enter("good")
    answer = await served.enter("good", Origin=origin)
    assert answer.status_code == 403
    assert (await served.client.post("/leave", headers={"Origin": origin})).status_code == 403
    with pytest.raises(InvalidStatus) as refused:
        async with served.page(Origin=origin):
            pass
    assert refused.value.response.status_code == 403
    assert served.site.processes == ()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../site.py", "/static/..%2f..%2fsite.py", "/static/%2e%2e/site.py", "/static/",
        "/static", "/static/page.js/..", "/static//etc/passwd", "/download/1", "/ws/..",
        "/static/page.js%00", "/.git/config",
    ],
)  # fmt: skip
async def test_nothing_else_is_served(served: Served, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.site.port)
    host = f"127.0.0.1:{served.site.port}"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert answer.split()[1] in (b"404", b"400")
    assert b"import" not in answer


@pytest.mark.parametrize("path", ["/", "/window", "/static/page.js", "/nowhere", "/enter"])
async def test_every_answer_keeps_the_page_to_itself(served: Served, path: str) -> None:
    await served.enter("good")
    headers = (await served.client.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    address = f"127.0.0.1:{served.site.port}"
    assert f"connect-src 'self' ws://{address} wss://{address};" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["server"] == "optibid-console"


async def test_the_pages_name_nothing_from_elsewhere(served: Served) -> None:
    await served.enter("good")
    for path in ("/", "/window", "/static/page.css", "/static/page.js", "/static/enter.js"):
        text = (await served.client.get(path)).text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text
    assert "OptiBid &lt;test&gt;" in (await served.client.get("/window")).text


async def test_parts_are_packed_and_not_sent_twice(served: Served) -> None:
    first = await served.client.get("/static/textual.js")
    assert first.headers["content-encoding"] == "gzip"
    tag = {"If-None-Match": first.headers["etag"]}
    assert (await served.client.get("/static/textual.js", headers=tag)).status_code == 304


async def test_a_page_shows_the_window_and_ends_its_process_as_it_closes(served: Served) -> None:
    await served.enter("good")
    async with served.page() as page:
        await drawn(page, "WATCHING", "run migrations")
        (pid,) = served.site.processes
        assert "good" not in Path(f"/proc/{pid}/cmdline").read_text()
        assert alive(pid)
    await served.until(lambda: not alive(pid), "the page's process goes on")
    await served.until(lambda: not served.site.processes, "the page's process is still counted")


async def test_a_connection_that_breaks_ends_its_process(served: Served) -> None:
    await served.enter("good")
    async with served.page() as page:
        await drawn(page, "WATCHING")
        (pid,) = served.site.processes
        page.transport.abort()
        await served.until(lambda: not alive(pid), "the page's process goes on")


async def test_the_page_s_size_is_followed(served: Served) -> None:
    await served.enter("good")
    async with served.page("?width=80&height=24") as page:
        small = await drawn(page, "1 Timeline")  # one pane at a time, and a bar for them
        assert "Probes 4/7" not in small
        await page.send(json.dumps(["resize", {"width": 160, "height": 45}]))
        await drawn(page, "Probes 4/7")


async def test_a_process_that_hears_nothing_is_killed(served: Served) -> None:
    await served.enter("stubborn")
    async with served.page() as page:
        await served.until(lambda: served.site.processes, "no process was started")
        (pid,) = served.site.processes
        await page.recv()
    await served.until(lambda: not alive(pid), "the page's process goes on")


async def test_why_a_screen_ended_is_said_in_plain_text(served: Served) -> None:
    await served.enter("taken-back")
    async with served.page() as page:
        code, why = await closing(page)
    assert code == Page.NOT_LET_IN
    assert why is not None
    assert "it was taken back" in why
    assert "\x1b" not in why


async def test_a_page_s_process_inherits_nothing_that_it_does_not_need(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "not for a page")
    await served.enter("environment")
    async with served.page() as page:
        _, why = await closing(page)
    assert why is not None
    assert "COLUMNS" in why
    assert "DB_PASSWORD" not in why


_NO_MESSAGES: dict[str, str | bytes] = {
    "bytes": b"bytes",
    "no json": "no json",
    "empty": "[]",
    "half": '["stdin"]',
    "number": '["stdin", 7]',
    "size": '["resize", {"width": "9"}]',
    "download": '["deliver_file_start", "x"]',
    "quit": '["quit"]',
    "object": '{"stdin": "q"}',
    "deep": "[" * 5000,
    "large": json.dumps(["stdin", "x" * 100_000]),
}


@pytest.mark.parametrize("message", _NO_MESSAGES.values(), ids=_NO_MESSAGES)
async def test_what_is_no_message_of_a_page_closes_it(served: Served, message: str | bytes) -> None:
    await served.enter("simple")
    async with served.page() as page:
        await page.send(message)
        code, _ = await closing(page)
    assert code in (1008, 1009)
    await served.until(lambda: not served.site.processes, "the page's process goes on")


async def test_a_page_that_takes_nothing_is_sent_little_and_then_ended(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "Flow", lambda: Flow(asleep_s=0.5))
    await served.enter("flood")
    got = 0
    async with served.page() as page, asyncio.timeout(30):
        with suppress(ConnectionClosed):
            async for frame in page:  # it reads, but has no time to draw: a page in the background
                got += len(frame)
    assert page.close_code == Page.ASLEEP
    assert AHEAD_BYTES <= got < AHEAD_BYTES + 2 * 65536
    await served.until(lambda: not served.site.processes, "the page's process goes on")


async def test_a_size_that_can_not_be_drawn_harms_nobody(served: Served) -> None:
    await served.enter("good")
    async with served.page("?width=999999999&height=-3") as page:
        await page.send(json.dumps(["resize", {"width": 10**12, "height": 10**12}]))
        await page.send(json.dumps(["stdin", "\x1b[48;60000;60000;1;1t"]))  # the terminal's report
        await page.send(json.dumps(["resize", {"width": 120, "height": 40}]))
        await drawn(page, "WATCHING", "run migrations")
        (pid,) = served.site.processes
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf(
            "SC_PAGESIZE"
        )
        assert resident < 250_000_000


async def test_one_browser_has_so_many_pages_and_no_more(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "MAX_PAGES_OF_ONE", 1)
    await served.enter("good")
    async with served.page() as first:
        await drawn(first, "WATCHING")
        async with served.page() as second:
            code, why = await closing(second)
        assert code == Page.TOO_MANY
        assert why is not None
        assert "Close one" in why
        assert len(served.site.processes) == 1


async def test_all_browsers_together_have_so_many_pages(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "MAX_PAGES", 0)
    await served.enter("good")
    async with served.page() as page:
        assert (await closing(page))[0] == Page.TOO_MANY


async def test_a_token_that_was_taken_back_opens_no_more_pages(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "PROVED_S", 0.0)
    await served.enter("good")
    served.door.good.clear()
    async with served.page() as page:
        assert (await closing(page))[0] == Page.NOT_LET_IN
    assert served.site.processes == ()
    assert (await served.client.get("/entered")).json() == {"entered": False}


async def test_behind_a_proxy_that_speaks_tls_its_name_and_scheme_are_its_own() -> None:
    async with serving(Listening("127.0.0.1", 0, names=["window.example"])) as it:
        proxied = {"Host": "window.example", "Origin": "https://window.example"}
        answer = await it.enter("good", **proxied)
        assert answer.status_code == 200
        assert "Secure" in answer.headers["set-cookie"]
        other = await it.enter("good", **{**proxied, "Origin": "https://other.example"})
        assert other.status_code == 403


async def test_an_idle_connection_makes_room_and_an_open_page_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(site_module, "CONNECTIONS", ConnectionLimits(4, 4, 4))
    async with serving() as it:
        await it.enter("good")
        async with it.page() as page:
            await drawn(page, "WATCHING")
            idle = [await asyncio.open_connection("127.0.0.1", it.site.port) for _ in range(8)]
            assert await asyncio.wait_for(idle[0][0].read(), 30) == b""
            assert (await it.client.get("/entered")).json() == {"entered": True}
            await page.send(json.dumps(["resize", {"width": 160, "height": 45}]))
            await drawn(page, "Probes 4/7")
        for _, one in idle:
            one.close()


async def test_failures_behind_a_named_proxy_are_told_by_the_forwarded_address() -> None:
    proxied = Listening("127.0.0.1", 0, proxies=frozenset({"127.0.0.1"}))
    headers = {"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}
    async with serving(proxied) as it, serving() as other:
        assert (await it.enter("wrong", **headers)).status_code == 403
        assert (await other.enter("wrong", **headers)).status_code == 403
        assert it.told == ["a token from 198.51.100.1 was turned away (1 time)"]
        assert other.told == ["a token from 127.0.0.1 was turned away (1 time)"]


async def test_a_right_token_does_not_wait_for_the_wrong_ones_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = ThrottlePolicy(first_s=600.0, most_s=600.0, waiting=4)
    monkeypatch.setattr(site_module, "THROTTLE", policy)
    async with serving() as it:
        wrong = [asyncio.create_task(it.enter(f"wrong {n}")) for n in range(4)]
        await it.until(lambda: len(it.door.asked) == 4, "the wrong tokens never came")
        assert (await it.enter("good")).status_code == 200
        assert not any(one.done() for one in wrong)
        again = [asyncio.create_task(it.enter(f"wrong {n}")) for n in range(4)]
        await it.until(lambda: len(it.door.asked) == 9, "the wrong tokens never came")
        fifth = await it.enter("wrong")
        assert (fifth.status_code, fifth.headers["connection"]) == (429, "close")
        for one in (*wrong, *again):
            one.cancel()
        await asyncio.gather(*wrong, *again, return_exceptions=True)


async def test_random_bytes_harm_nobody(served: Served) -> None:
    chance = random.Random(7)
    starts = (b"", b"GET / HTTP/1.1\r\n", b"POST /enter HTTP/1.1\r\nHost: ", b"\x16\x03\x01")
    for number in range(200):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.site.port)
        writer.write(starts[number % 4] + chance.randbytes(chance.randrange(2000)))
        if number % 2:
            writer.write(b"\r\n\r\n")
        with suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(reader.read(100), 0.01)
        writer.transport.abort()
    await served.enter("good")
    assert (await served.client.get("/window")).status_code == 200
    assert [one for one in served.told if "unexpected" in one] == []


async def test_closing_the_site_tells_its_pages_and_ends_them(served: Served) -> None:
    await served.enter("good")
    async with served.page() as page:
        await drawn(page, "WATCHING")
        (pid,) = served.site.processes
        closed = asyncio.create_task(served.site.close())
        code, why = await closing(page)
        await closed
    assert (code, why) == (1001, "The page's server has stopped.")
    assert not alive(pid)


_SITE = """
import asyncio
from tests.web.conftest import serving
async def main():
    async with serving() as it:
        await it.enter("good")
        async with it.page() as page:
            await page.recv()
            print(*it.site.processes, flush=True)
            await asyncio.sleep(3600)
asyncio.run(main())
"""


async def test_a_server_that_is_killed_leaves_no_process(served: Served) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SITE, stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    assert server.stdout is not None
    pid = int(await asyncio.wait_for(server.stdout.readline(), 60))
    assert alive(pid)
    server.send_signal(signal.SIGKILL)
    await server.wait()
    await served.until(lambda: not alive(pid), "the page's process outlives its server")
