"""What a benchmark prints: one JSON line a figure, the asked one beside the measured one."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path


class Figures:
    """The figures of one benchmark; `status` is its exit status: 1 when one is missed."""

    def __init__(self) -> None:
        self.status = 0

    def at_most(self, figure: str, value: float, asked: float, unit: str, **more: object) -> None:
        """A figure that is missed when `value` is above `asked`."""
        self._print(figure, round(value, 3), unit, asked, value <= asked, more)

    def exactly(self, figure: str, value: object, asked: object, unit: str, **more: object) -> None:
        """A figure that is missed when `value` is not `asked`."""
        self._print(figure, value, unit, asked, value == asked, more)

    def told(self, figure: str, value: float, unit: str, **more: object) -> None:
        """A figure that nothing is asked of: it explains another one."""
        self._print(figure, round(value, 3), unit, None, True, more)

    def _print(
        self, figure: str, value: object, unit: str, asked: object, ok: bool, more: object
    ) -> None:
        assert isinstance(more, dict)
        line = {
            "bench": Path(sys.argv[0]).stem.removeprefix("bench_"),
            "figure": figure,
            "value": value,
            "unit": unit,
            "asked": asked,
            "ok": ok,
            **more,
        }
        print(json.dumps(line, ensure_ascii=False), flush=True)
        self.status = self.status or int(not ok)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` % of all are not above (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values: nothing was measured")
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]
