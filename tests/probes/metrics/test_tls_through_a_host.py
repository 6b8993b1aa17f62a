"""Through a forward the certificate is still checked for the service's own name."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from probes.metrics_page import MetricsProbe, MetricsSettings
from probes.probe import Probe, ProbeError
from probes.prometheus import PrometheusProbe, PrometheusSettings
from probes.tls import Tls
from tests.probes.hosts import ForwardingHost
from tests.probes.metrics.pages import Answer, PageServer

Build = Callable[[str, Tls, ForwardingHost], Probe]


def metrics(name: str, tls: Tls, host: ForwardingHost) -> Probe:
    settings = MetricsSettings(f"https://{name}/metrics", gauge="ws", tls=tls)
    return MetricsProbe("p", settings, host)


def prometheus(name: str, tls: Tls, host: ForwardingHost) -> Probe:
    return PrometheusProbe("p", PrometheusSettings(f"https://{name}", "q", tls=tls), host)


def answer(path: str) -> Answer:
    if path == "/metrics":
        return 200, b"ws 7\n"
    return 200, json.dumps({"data": {"result": [{"metric": {}, "value": [1, "7"]}]}}).encode()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[PageServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("app.internal").configure_cert(context)
    server = PageServer(answer, context)
    yield server
    server.close()


@pytest.mark.parametrize("build", [metrics, prometheus])
async def test_the_name_is_checked(
    build: Build, server: PageServer, authority: trustme.CA, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    host = ForwardingHost(server.port)
    good = build("app.internal", Tls(ca=str(ca)), host)
    assert (await good.read()).value == 7
    await good.close()
    for name, tls in (("other.internal", Tls(ca=str(ca))), ("app.internal", Tls())):
        bad = build(name, tls, host)
        with pytest.raises(ProbeError, match=f"no TLS with https://{name}"):
            await bad.read()
        await bad.close()
    blind = build("other.internal", Tls(insecure=True), host)
    assert (await blind.read()).summary == "7 (certificate not checked)"
    await blind.close()
