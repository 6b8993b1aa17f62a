"""A real Prometheus that scrapes one page every 200 ms."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.servers.ports import free_port

_CONFIG = """\
global:
  scrape_interval: 200ms
  evaluation_interval: 200ms
scrape_configs:
  - job_name: page
    metrics_path: /metrics
    static_configs:
      - targets: ["127.0.0.1:%d"]
"""


class PrometheusServer:
    """Prometheus on a free port of 127.0.0.1; `url` is its address."""

    def __init__(self, folder: Path, page_port: int, rules: str = "") -> None:
        config = folder / "prometheus.yml"
        config.write_text(_CONFIG % page_port)
        if rules:
            (folder / "rules.yml").write_text(rules)
            config.write_text(f'{_CONFIG % page_port}rule_files: ["{folder}/rules.yml"]\n')
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        argv = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
        argv.append(f"--web.listen-address=127.0.0.1:{port}")
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        self._wait(folder / "log")

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                with urlopen(f"{self.url}/-/ready", timeout=1):
                    return
            except (URLError, OSError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(log.read_text(errors="replace")[-2000:]) from None
                time.sleep(0.05)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
