"""OptiBid's stand-in has the habits of the real one, the traps above all."""

from __future__ import annotations

import json
import re

import httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from optibid_console.demo.backend import build
from optibid_console.demo.place import PREVIOUS, PUBLIC_NAME
from optibid_console.demo.release import Release
from optibid_console.demo.stack import Stack


async def get(stack: Stack, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{stack.ports.backend}{path}"
        return await client.get(url, headers={"Host": PUBLIC_NAME, **headers})


def market(stack: Stack, path: str) -> connect:
    uri = f"ws://{PUBLIC_NAME}{path}"
    return connect(uri, host="127.0.0.1", port=stack.ports.backend, proxy=None)


async def test_health_is_in_the_body(stack: Stack) -> None:
    answer = await get(stack, "/health")
    body = answer.json()
    assert answer.status_code == 200
    assert (body["status"], body["version"]) == ("healthy", PREVIOUS)
    assert body["services"]["database"]["status"] == "healthy"


async def test_health_answers_200_without_a_database() -> None:
    app = build(Release("v0", "price"), "postgresql://nobody@127.0.0.1:1/none")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{PUBLIC_NAME}") as client:
        answer = await client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "error"
    assert "refused" in answer.json()["error"].lower()


async def test_an_untrusted_host_header_gets_400(stack: Stack) -> None:
    answer = await get(stack, "/health", Host="localhost")
    assert (answer.status_code, answer.text) == (400, "Invalid host header")


@pytest.mark.parametrize(
    "name",
    [
        "http_request_duration_seconds_bucket",
        'http_requests_total{method="GET",status="200"}',
        'http_requests_total{method="GET",status="500"} 0.0',
        "websocket_connections_active",
        "websocket_connection_failures_total",
        "process_cpu_usage_percent",
        "process_memory_usage_percent",
        "database_connection_pool_available 20.0",
        "database_connection_pool_total 20.0",
        "database_query_duration_seconds_bucket",
        "database_up 1.0",
    ],
)
async def test_metrics_have_the_names_of_the_alert_rules(stack: Stack, name: str) -> None:
    assert (await get(stack, "/api/market-data/latest")).status_code == 200
    assert name in (await get(stack, "/metrics")).text


async def test_market_data_comes_from_the_database(stack: Stack) -> None:
    prices = (await get(stack, "/api/market-data/latest")).json()
    assert {one["zone"] for one in prices} == {"PJM", "CAISO", "ERCOT", "NYISO"}


@pytest.mark.parametrize(("password", "status"), [("testpass", 200), ("wrong", 401)])
async def test_login_checks_the_password(stack: Stack, password: str, status: int) -> None:
    said = {"email": "test@example.com", "password": password}
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{stack.ports.backend}/api/auth/login"
        answer = await client.post(url, json=said, headers={"Host": PUBLIC_NAME})
    assert answer.status_code == status
    assert ("access_token" in answer.json()) is (status == 200)


async def test_a_market_websocket_greets_first(stack: Stack) -> None:
    async with market(stack, "/api/ws/ws/market/PJM") as socket:
        assert json.loads(await socket.recv())["type"] == "connection_established"
        assert json.loads(await socket.recv())["type"] == "price_update"


async def test_an_unknown_market_zone_closes_with_1008(stack: Stack) -> None:
    async with market(stack, "/api/ws/ws/market/NOWHERE") as socket:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


async def test_a_wrong_websocket_path_answers_403(stack: Stack) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with market(stack, "/api/ws/market/PJM"):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "text/html"), ("/_next/static/css/main.css", "text/css")]
)
async def test_the_frontend_serves_a_page_and_its_stylesheet(
    stack: Stack, path: str, kind: str
) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{stack.ports.frontend}{path}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)


async def test_the_log_looks_like_optibid_s(stack: Stack) -> None:
    await get(stack, "/health")
    log = (stack.place.logs / "backend.log").read_text()
    assert re.search(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - main - INFO - OptiBid", log)
    assert re.search(r'(?m)^INFO: +127\.0\.0\.1:\d+ - "GET /health HTTP/1\.1" 200 OK$', log)
