"""What comes into the log pane: lines and news of tails, kept in the ring, with nothing silent."""

from __future__ import annotations

from optibid_console.signals import LogLines
from probes.text import counted
from screens.widgets.log_rows import PANE
from screens.widgets.log_tails import LogTails, Rate
from screens.widgets.ring import Ring


class LogFeed:
    """Puts signals into the ring. A drop, a cut and a tail's notice become rows among the lines."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.tails = LogTails()
        self.rate = Rate()
        self._cut_told = 0

    def add(self, signal: LogLines, now: float) -> None:
        """Take a batch; `now` is in monotonic seconds."""
        tail = self.tails.index(signal.tail)
        name = self.tails.name_of(tail)
        if signal.dropped:
            self._notice(
                f"{name}: {counted(signal.dropped, 'line was', 'lines were')} dropped here", tail
            )
        if signal.notice:
            self._notice(f"{name}: {signal.notice}", tail)
        lines = self.ring.append(signal.data, tail, at=signal.at)
        if self.ring.cut_bytes > self._cut_told:
            cut = self.ring.cut_bytes - self._cut_told
            self._notice(f"{name}: a line was cut, {cut:,} bytes of it are gone", tail)
            self._cut_told = self.ring.cut_bytes
        self.tails.heard(tail, signal.notice, lines)
        self.rate.add(now, lines)

    def missed(self, lines: int) -> None:
        """Say among the lines that so many never reached this screen."""
        self._notice(
            f"{counted(lines, 'line is', 'lines are')} missing here: this screen couldn't keep up",
            PANE,
        )

    def _notice(self, text: str, tail: int) -> None:
        line = text.replace("\n", " ").encode("utf-8", "replace")
        self.ring.append(line, tail, notice=True)
