"""What a run prints, on its way to the screens: redacted, counted, its end kept."""

from __future__ import annotations

from optibid_console.runbook.redaction import Redactor
from optibid_console.signals import Output
from optibid_console.targets.target import OutputChunk
from probes.text import one_line

_KEPT_BYTES = 8192
_LAST_LINES = 8


class OutputTrail:
    """Follows one run's output; keeps its last lines for the journal."""

    def __init__(self, run_id: str, redactor: Redactor) -> None:
        self.received = 0
        """Where to carry on after a drop: the offset in the run's output on its target."""
        self._run_id = run_id
        self._redactor = redactor
        self._told = 0
        self._last = b""

    def feed(self, data: bytes) -> Output | None:
        """The signal for a chunk, or None while all of it might be part of a secret."""
        self.received += len(data)
        return self._tell(self._redactor.feed(data))

    def take(self, chunk: OutputChunk) -> Output | None:
        """As `feed`, with a line where the target left something out."""
        notice = f"\n[… {chunk.left_out:,} bytes left out …]\n" if chunk.left_out else ""
        told = self.feed(notice.encode() + chunk.data)
        self.received = chunk.next_offset
        return told

    def end(self) -> Output | None:
        """The signal for what was held back."""
        return self._tell(self._redactor.flush())

    def last_lines(self) -> tuple[str, ...]:
        """The last lines that say something, each made one safe line of at most 200 characters."""
        lines = self._last.decode("utf-8", "replace").splitlines()
        said = [one_line(line, 200) for line in lines if line.strip()]
        return tuple(said[-_LAST_LINES:])

    def last_line(self) -> str:
        """The last line that says something, as a fact is recorded from it."""
        lines = self._last.decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _tell(self, clean: bytes) -> Output | None:
        if not clean:
            return None
        signal = Output(self._run_id, self._told, clean)
        self._told += len(clean)
        self._last = (self._last + clean)[-_KEPT_BYTES:]
        return signal
