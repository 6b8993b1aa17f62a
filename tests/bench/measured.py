"""What is read about running processes: CPU time, memory, and how late their loops are."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
LAG_DIR = "OPTIBID_BENCH_LAG"
"""In the environment of a process: `lag_watch/sitecustomize.py` writes into this directory."""


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, in user and kernel (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> float:
    """Its resident memory in MB (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6


@dataclass(frozen=True, slots=True)
class Lag:
    """How late one process's event loop was at one moment."""

    at: float
    """`time.time()`."""
    ms: float


def lags(folder: Path, role: str, since: float = 0.0, until: float = float("inf")) -> list[float]:
    """The lags in milliseconds that the processes with this role wrote."""
    found = []
    for path in folder.glob(f"{role}-*.lag"):
        for line in path.read_text().splitlines():
            found += [Lag(*one) for one in json.loads(line)]
    return [one.ms for one in found if since <= one.at <= until]
