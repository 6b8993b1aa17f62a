"""The stand-in's `/metrics`, under the names that OptiBid's alert rules use."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from optibid_console.demo.fault import POOL_SIZE

MEMORY_LIMIT_BYTES = 256 * 1024 * 1024
"""What the stand-in's container would be given: memory is shown as a share of it."""
_BUCKETS_S = (
    0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3,
    0.4, 0.5, 0.75, 1.0, 2.5, 5.0,
)  # fmt: skip


class Metrics:
    """All of the stand-in's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.duration = Histogram(
            "http_request_duration_seconds", "Time to answer", ["method"],
            buckets=_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.requests = Counter(
            "http_requests_total", "Answered requests", ["method", "status"], registry=registry
        )
        self.requests.labels("GET", "500")  # from the start: no errors is 0, not "no data"
        self.query = Histogram(
            "database_query_duration_seconds", "Time of a query", registry=registry
        )
        self.sockets = Gauge("websocket_connections_active", "Open WebSockets", registry=registry)
        self.socket_failures = Counter(
            "websocket_connection_failures_total", "Refused WebSockets", registry=registry
        )
        self.pool = Gauge("database_connection_pool_available", "Free", registry=registry)
        self.database_up = Gauge("database_up", "1: the last query worked", registry=registry)
        pool_total = Gauge("database_connection_pool_total", "All", registry=registry)
        pool_total.set(POOL_SIZE)
        self._cpu = Gauge("process_cpu_usage_percent", "Of one core", registry=registry)
        self._memory = Gauge("process_memory_usage_percent", "Of the limit", registry=registry)
        self._seen_at, self._cpu_s = time.monotonic(), _cpu_s()

    def measure_process(self) -> None:
        """CPU since the last call and memory now."""
        now, cpu_s = time.monotonic(), _cpu_s()
        if now > self._seen_at:
            self._cpu.set(100 * (cpu_s - self._cpu_s) / (now - self._seen_at))
        self._seen_at, self._cpu_s = now, cpu_s
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self._memory.set(100 * pages * resource.getpagesize() / MEMORY_LIMIT_BYTES)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
