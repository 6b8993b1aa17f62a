"""A real browser: headless Chromium, driven through the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import struct
import subprocess
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

WITHIN_S = 60.0
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--no-default-browser-check", "--remote-debugging-port=0",
    "--force-color-profile=srgb", "--hide-scrollbars", "--mute-audio",
)  # fmt: skip
_KEEP_THE_TERMINAL = """
Object.defineProperty(Object.prototype, "bufferedBytes", {
  configurable: true,
  set(value) {
    window.theTerminal = this.terminal;
    Object.defineProperty(this, "bufferedBytes", { value, writable: true, configurable: true });
  },
});
"""
"""textual-serve's page keeps its terminal to itself; this finds it as it is made."""
_SCREEN = """(() => {
  const buffer = window.theTerminal?.buffer.active;
  if (!buffer) return "";
  const lines = [];
  for (let y = 0; y < window.theTerminal.rows; y++)
    lines.push(buffer.getLine(buffer.viewportY + y)?.translateToString() ?? "");
  return lines.join("\\n");
})()"""


class Tab:
    """One page: what it asked for, what it shows, and the keyboard."""

    def __init__(self, ws: ClientConnection, target: str) -> None:
        self.target = target
        self.requested: list[str] = []
        """Every URL that it asked for, WebSockets too."""
        self.complaints: list[str] = []
        """What its console says of errors and of what the policy forbade."""
        self._ws = ws
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = 0
        self._reading = asyncio.create_task(self._read())

    async def start(self, width: int, height: int) -> None:
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")
        await self.ask("Page.addScriptToEvaluateOnNewDocument", source=_KEEP_THE_TERMINAL)
        await self.resize(width, height)

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._numbers += 1
        answer = self._asked[self._numbers] = asyncio.get_running_loop().create_future()
        await self._ws.send(json.dumps({"id": self._numbers, "method": method, "params": params}))
        async with asyncio.timeout(WITHIN_S):
            return await answer

    async def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=0, mobile=mobile,
        )  # fmt: skip

    async def go(self, url: str) -> None:
        await self.ask("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        said = await self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        return said.get("result", {}).get("value")

    async def screen(self) -> str:
        """What the terminal shows, a line a row; empty while there is none."""
        return str(await self.run(_SCREEN) or "")

    async def text(self) -> str:
        """What the page says outside of the terminal, where that is seen."""
        return str(await self.run("document.querySelector('.card')?.innerText ?? ''") or "")

    async def until(
        self, *words: str, of: Callable[[], Any] | None = None, within_s: float = WITHIN_S
    ) -> str:
        """Wait until all of it is seen at once, as a rule in the terminal; gives the text."""
        give_up, seen = time.monotonic() + within_s, ""
        while time.monotonic() < give_up:
            with suppress(KeyError):  # it is between two pages
                seen = str(await (of or self.screen)())
            if all(word in seen for word in words):
                return seen
            await asyncio.sleep(0.05)
        said = await self.text()
        raise AssertionError(f"never saw {words}: {seen!r}; said: {said}; {self.complaints}")

    async def tap(self, x: float, y: float) -> None:
        """Touch a place of the page as a finger does."""
        await self.ask("Emulation.setTouchEmulationEnabled", enabled=True)
        point = {"x": x, "y": y}
        await self.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[point])
        await self.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    async def press(self, keys: str) -> None:
        """Type printable keys."""
        for key in keys:
            await self.ask("Input.dispatchKeyEvent", type="keyDown", text=key, key=key)
            await self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def picture(self, path: Path) -> Counter[tuple[int, int, int]]:
        """Save what is seen as a PNG file; gives the colours of its upper left part."""
        shot = await self.ask("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
        part = {"x": 0, "y": 0, "width": 300, "height": 200, "scale": 1}
        shot = await self.ask("Page.captureScreenshot", format="png", clip=part)
        return dots(base64.b64decode(shot["data"]))

    async def close(self) -> None:
        """Close the tab as a person does."""
        with suppress(Exception):
            await self._ws.send(json.dumps({"id": 0, "method": "Page.close"}))
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._ws.close()

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for frame in self._ws:
                self._take(json.loads(frame))

    def _take(self, said: dict[str, Any]) -> None:
        answer = self._asked.pop(said.get("id", -1), None)
        if answer is not None and not answer.done():
            answer.set_result(said.get("result", {}))
        params = said.get("params", {})
        match said.get("method"):
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])
            case "Network.webSocketCreated":
                self.requested.append(params["url"])
            case "Log.entryAdded":
                self.complaints.append(params["entry"]["text"])
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.complaints.append(
                    details.get("exception", {}).get("description", details["text"])
                )


class Chromium:
    """One browser with a profile of its own."""

    def __init__(self, directory: Path, *flags: str) -> None:
        self._port_file = directory / "DevToolsActivePort"
        log = (directory.parent / f"{directory.name}.log").open("wb")
        program = shutil.which("chromium") or "chromium"
        self.process = subprocess.Popen(
            [program, *_QUIET, *flags, f"--user-data-dir={directory}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "HOME": str(directory)},
        )
        log.close()
        self.port = 0

    def wait_ready(self) -> None:
        give_up = time.monotonic() + WITHIN_S
        while not self._port_file.exists() or not self._port_file.read_text().strip():
            assert time.monotonic() < give_up, "Chromium doesn't start"
            assert self.process.poll() is None, "Chromium ended"
            time.sleep(0.05)
        self.port = int(self._port_file.read_text().splitlines()[0])

    @asynccontextmanager
    async def tab(self, width: int = 1600, height: int = 900) -> AsyncIterator[Tab]:
        """A new page in a profile of its own: no cookies of the others. Closed at the end."""
        version = await _get(self.port, "/json/version")
        async with connect(version["webSocketDebuggerUrl"], max_size=None) as browser:
            context = await _ask(browser, "Target.createBrowserContext", disposeOnDetach=False)
            target = await _ask(
                browser, "Target.createTarget", url="about:blank",
                browserContextId=context["browserContextId"],
            )  # fmt: skip
        page = f"ws://127.0.0.1:{self.port}/devtools/page/{target['targetId']}"
        tab = Tab(await connect(page, max_size=None), target["targetId"])
        try:
            await tab.start(width, height)
            yield tab
        finally:
            await tab.close()

    def kill(self) -> None:
        """End the browser at once, as a crash does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(WITHIN_S)


@contextmanager
def chromium(directory: Path, *flags: str) -> Iterator[Chromium]:
    """A browser that runs meanwhile."""
    directory.mkdir(parents=True, exist_ok=True)
    browser = Chromium(directory, *flags)
    try:
        browser.wait_ready()
        yield browser
    finally:
        browser.kill()


def dots(png: bytes) -> Counter[tuple[int, int, int]]:
    """How often each colour is in a picture as `Tab.picture` gives it (PNG, 3rd edition)."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (depth, kind) in ((8, 2), (8, 6)), "no 8-bit RGB or RGBA"
    packed, at = b"", 8
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        packed += png[at + 8 : at + 8 + size] if name == b"IDAT" else b""
        at += size + 12
    step = 3 if kind == 2 else 4
    data, above = zlib.decompress(packed), bytearray(width * step)
    found: Counter[tuple[int, int, int]] = Counter()
    for y in range(height):
        start = y * (width * step + 1)
        line = bytearray(data[start + 1 : start + 1 + width * step])
        for x in range(len(line)):
            left = line[x - step] if x >= step else 0
            corner = above[x - step] if x >= step else 0
            match data[start]:
                case 1:
                    line[x] = (line[x] + left) & 255
                case 2:
                    line[x] = (line[x] + above[x]) & 255
                case 3:
                    line[x] = (line[x] + (left + above[x]) // 2) & 255
                case 4:
                    line[x] = (line[x] + _paeth(left, above[x], corner)) & 255
        found.update((line[x], line[x + 1], line[x + 2]) for x in range(0, len(line), step))
        above = line
    return found


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))


async def _get(port: int, path: str) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode().lower().splitlines())
    size = next(int(value) for name, _, value in lines if name == "content-length")
    body = await reader.readexactly(size)
    writer.close()
    found: dict[str, Any] = json.loads(body)
    return found


async def _ask(ws: ClientConnection, method: str, **params: Any) -> dict[str, Any]:
    await ws.send(json.dumps({"id": 1, "method": method, "params": params}))
    while True:
        said = json.loads(await ws.recv())
        if said.get("id") == 1:
            result: dict[str, Any] = said["result"]
            return result
