"""An HTTP probe for a test, and one reading of it."""

from __future__ import annotations

from probes import registry
from probes.http import HttpSettings
from probes.probe import Probe, take


def probe(port: int, host=None, *, path: str = "/health", url: str = "", **settings) -> Probe:
    made = HttpSettings(url=url or f"http://127.0.0.1:{port}{path}", **settings)
    return registry.build("http", "backend", made, host)


async def read(probe: Probe, timeout_s: float = 5):
    reading = await take(probe, timeout_s)
    await probe.close()
    assert "\n" not in reading.summary
    assert "\x1b" not in reading.summary
    return reading
