"""The page in a real browser: headless Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from optibid_console.web import page as page_module
from tests.servers.chromium import Chromium, Tab, chromium
from tests.web.conftest import WITHIN_S, Served, alive

pytestmark = pytest.mark.server("chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as running:
        yield running


@asynccontextmanager
async def opened(browser: Chromium, served: Served) -> AsyncIterator[Tab]:
    """A page that shows the window, entered by a link with its token."""
    async with browser.tab() as tab:
        await tab.go(f"{served.base}/#good")
        await tab.until("WATCHING", "run migrations")
        yield tab


async def test_the_page_shows_the_window_and_asks_nobody_else(
    browser: Chromium, served: Served, tmp_path: Path
) -> None:
    async with opened(browser, served) as tab:
        # a step's output, a log line, a probe
        await tab.until("WATCHING oncall-1's window", "Executing migration: 004_market_prices")
        await tab.until("checkpoint complete: wrote", "backend /health")
        colours = await tab.picture(tmp_path / "window.png")
        assert len(colours) > 100, "the page is blank"
        assert colours.most_common(1)[0][1] < 0.99 * sum(colours.values())
        assert {urlsplit(url).netloc for url in tab.requested} == {f"127.0.0.1:{served.site.port}"}
        assert not [one for one in tab.complaints if "Content Security Policy" in one]
        assert await tab.run("location.href") == f"{served.base}/window"
        assert await tab.run("document.cookie") == ""


async def test_the_policy_lets_nothing_out(browser: Chromium, served: Served) -> None:
    async with opened(browser, served) as tab:
        other = "http://127.0.0.1:9/"
        assert await tab.run(f"fetch('{other}').then(() => 'out', () => 'kept')") == "kept"
        await tab.run(f"document.head.append(Object.assign(new Image(), {{src: '{other}'}}))")
        async with asyncio.timeout(30):
            while sum("Content Security Policy" in one for one in tab.complaints) < 2:
                await asyncio.sleep(0.02)


async def test_a_wrong_token_gets_no_process_and_says_so(browser: Chromium, served: Served) -> None:
    async with browser.tab() as tab:
        await tab.go(f"{served.base}/#wrong")
        await tab.until("doesn't open the window", of=tab.text)
        assert await tab.run("location.href") == f"{served.base}/"  # the token is out of sight
        assert served.site.processes == ()
        # a good one, typed in with the whole link around it
        await tab.run("document.getElementById('token').focus()")
        await tab.press("optibid://127.0.0.1:7000/#good@aFingerprint\r")
        await tab.until("WATCHING")


async def test_who_is_turned_away_while_she_watches_is_told_why_and_asked_for_another_link(
    browser: Chromium, served: Served
) -> None:
    async with browser.tab() as tab:
        await tab.go(f"{served.base}/#taken-back")
        await tab.until("it was taken back", "Use another link", of=tab.text)
        assert "Come back" not in await tab.text()
        assert served.site.processes == ()
        await tab.run("document.getElementById('leave').click()")
        await tab.until("The link or the token that you were given", of=tab.text)


async def test_closing_the_page_ends_its_process_within_seconds(
    browser: Chromium, served: Served
) -> None:
    async with opened(browser, served) as tab:
        (pid,) = served.site.processes
        await tab.close()
        async with asyncio.timeout(WITHIN_S):
            while alive(pid):
                await asyncio.sleep(0.02)


async def test_a_browser_that_is_killed_ends_its_pages(served: Served, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile") as browser:
        async with opened(browser, served):
            (pid,) = served.site.processes
            browser.kill()
            async with asyncio.timeout(WITHIN_S):
                while alive(pid):
                    await asyncio.sleep(0.02)


async def test_keys_and_the_page_s_size_reach_the_screen(browser: Chromium, served: Served) -> None:
    async with opened(browser, served) as tab:
        await tab.press("?")
        await tab.until("the keys of where you are")
        await tab.run("location.reload()")
        await tab.resize(800, 480)
        seen = await tab.until("WATCHING", "1 Timeline", "2 Checklist")
        assert "Probes 4/7" not in seen
        await tab.resize(1600, 900)
        await tab.until("Probes 4/7")


async def test_it_can_be_read_and_tapped_on_a_phone(
    browser: Chromium, served: Served, tmp_path: Path
) -> None:
    async with browser.tab(390, 844) as tab:
        await tab.resize(390, 844, mobile=True)
        await tab.go(f"{served.base}/#good")
        seen = await tab.until("WATCHING", "run migrations", "2 Checklist")
        rows = seen.splitlines()
        assert len(rows[0]) >= 80
        assert await tab.run("document.documentElement.scrollWidth <= innerWidth")
        await tab.picture(tmp_path / "phone.png")
        bar = next(number for number, row in enumerate(rows) if "2 Checklist" in row)
        x, y = (
            (rows[bar].index("2 Checklist") + 3) / len(rows[0]) * 390,
            (bar + 0.5) / len(rows) * 844,
        )
        await tab.tap(x, y)
        await tab.until("Database preparation", "Rollback plan reviewed")


async def test_a_page_comes_back_by_itself_after_its_connection_was_lost(
    browser: Chromium, served: Served
) -> None:
    async with opened(browser, served) as tab:
        await tab.run("window.theFirst = true")
        (page,) = served.site._pages
        request = page.socket._req
        assert request is not None
        assert request.transport is not None
        request.transport.abort()
        await tab.until("was lost", of=tab.text)
        await tab.until("undefined", of=lambda: tab.run("typeof window.theFirst"))
        await tab.until("WATCHING", "run migrations")
        assert len(served.site.processes) == 1


@pytest.mark.slow
async def test_a_tab_that_is_frozen_costs_nothing_and_comes_back_with_the_present(
    browser: Chromium, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "HEARTBEAT_S", 6.0)
    async with opened(browser, served) as awake:
        (first,) = served.site.processes
        async with opened(browser, served) as tab:
            (second,) = {*served.site.processes} - {first}
            await tab.ask("Page.setWebLifecycleState", state="frozen")
            await served.until(lambda: not alive(second), "its process goes on")
            await served.until(lambda: served.site.processes == (first,), "the page stays open")
            await awake.press("q")
            await awake.until("You only watch: leaving changes nothing")
            await tab.ask("Page.setWebLifecycleState", state="active")
            await tab.ask("Emulation.setFocusEmulationEnabled", enabled=True)  # seen
            await served.until(lambda: len(served.site.processes) == 2, "it stays away")
            await tab.until("WATCHING", "run migrations")
        assert first in served.site.processes


async def test_who_leaves_stays_out_until_she_comes_back(browser: Chromium, served: Served) -> None:
    async with opened(browser, served) as tab:
        await tab.press("q")
        await tab.until("You only watch: leaving changes nothing")
        await tab.press("\r")
        await tab.until("You left the window", of=tab.text)
        await tab.run("document.getElementById('again').click()")
        await tab.until("WATCHING")
