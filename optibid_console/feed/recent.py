"""The recent signals that a newly attached screen gets, so that it isn't empty. Bounded."""

from __future__ import annotations

from collections import OrderedDict, deque

from optibid_console.feed.messages import Frame
from optibid_console.signals import (
    CostSampled,
    Link,
    LockWaits,
    LogLines,
    Missed,
    Output,
    Presence,
    Progress,
    Pulse,
    Sampled,
    Signal,
)

TAIL_BYTES = 1_000_000
OUTPUT_BYTES = 256 * 1024
RUNS = 16
"""Of how many runs the output is kept: those that wrote last."""
PANEL_SAMPLES = 240

_Key = tuple[str, str]


class Recent:
    """The last frames of each tail, panel, probe, link and run."""

    def __init__(self) -> None:
        self._rings: OrderedDict[_Key, _Ring] = OrderedDict()

    def keep(self, signal: Signal, frame: Frame) -> None:
        """Remember a signal's frame, and forget what it pushes out."""
        key, count, size = _place(signal)
        ring = self._rings.get(key)
        if ring is None:
            ring = self._rings[key] = _Ring(count, size)
        ring.add(frame)
        if key[0] == "output":
            self._rings.move_to_end(key)
            self._forget_runs()

    def forget(self, kind: str, name: str) -> None:
        """Forget the signals of one subject."""
        self._rings.pop((kind, name), None)

    def frames(self, after: int = 0, bulky_bytes: int = 4 * TAIL_BYTES) -> list[Frame]:
        """What is kept of the signals with a number above `after`, in their order; of log
        lines and output the last `bulky_bytes` of all together."""
        kept = [frame for ring in self._rings.values() for frame in ring if frame.number > after]
        kept.sort(key=lambda frame: frame.number, reverse=True)
        chosen = []
        for frame in kept:
            if frame.bulky:
                bulky_bytes -= len(frame.data)
                if bulky_bytes < 0:
                    continue
            chosen.append(frame)
        return chosen[::-1]

    def newest(self) -> list[Frame]:
        """The last frame of each kind and subject, in their order; no log lines and no output."""
        last = [ring[-1] for ring in self._rings.values() if not ring[-1].bulky]
        return sorted(last, key=lambda frame: frame.number)

    def _forget_runs(self) -> None:
        runs = [key for key in self._rings if key[0] == "output"]
        for key in runs[:-RUNS]:
            del self._rings[key]
            self._rings.pop(("progress", key[1]), None)
            self._rings.pop(("locks", key[1]), None)


class _Ring(deque[Frame]):
    """The last frames, at most `count` and about `size_bytes`, and always the last one."""

    def __init__(self, count: int, size_bytes: int) -> None:
        super().__init__(maxlen=count)
        self._limit = size_bytes
        self._bytes = 0

    def add(self, frame: Frame) -> None:
        if len(self) == self.maxlen:
            self._bytes -= len(self.popleft().data)
        self.append(frame)
        self._bytes += len(frame.data)
        while self._bytes > self._limit and len(self) > 1:
            self._bytes -= len(self.popleft().data)


def _place(signal: Signal) -> tuple[_Key, int, int]:
    """Where a signal is kept, how many of its like, and how many bytes of them."""
    match signal:
        case LogLines():
            return ("tail", signal.tail), 100_000, TAIL_BYTES
        case Output():
            return ("output", signal.run_id), 100_000, OUTPUT_BYTES
        case Progress():
            return ("progress", signal.run_id), 1, TAIL_BYTES
        case LockWaits():
            return ("locks", signal.run_id), 1, TAIL_BYTES
        case CostSampled():
            return ("cost", signal.cost.database), 1, TAIL_BYTES
        case Sampled():
            count = PANEL_SAMPLES if signal.subject == "panel" else 1
            return (signal.subject, signal.reading.probe), count, TAIL_BYTES
        case Link():
            return ("link", signal.target), 1, TAIL_BYTES
        case Presence() | Pulse() | Missed():
            return (type(signal).__name__, ""), 1, TAIL_BYTES
