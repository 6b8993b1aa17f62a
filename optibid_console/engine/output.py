"""What a run prints, on its way to the screens: redacted, counted, its end kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from optibid_console.engine.cause import CauseFinder
from optibid_console.engine.reports import ReportFilter
from optibid_console.recorded import LONGEST_LINE_BYTES
from optibid_console.runbook.redaction import Redactor
from optibid_console.signals import NOTICE, Output
from optibid_console.targets.streams import Stream
from optibid_console.targets.target import OutputChunk
from probes.text import one_line

_KEPT_BYTES = LONGEST_LINE_BYTES
_LAST_LINES = 8


class OutputTrail:
    """Follows one run's output; keeps its last lines for the journal.

    Each stream has a redactor of its own: what the other one prints in between must not
    tear a secret apart.
    """

    def __init__(self, run_id: str, redactor: Callable[[], Redactor]) -> None:
        self.received = 0
        """Where to carry on after a drop: the offset in the run's output on its target."""
        self._run_id = run_id
        self._redactors = {stream: redactor() for stream in Stream}
        self._told = 0
        self._last = b""
        self._last_of_stdout = b""
        self._causes = {stream: CauseFinder() for stream in Stream}
        self._cause = b""
        self._is_cut = False
        """Whether what is kept of stdout may begin within a line."""
        self.reports = ReportFilter(run_id)
        """What the command reports to the console itself; it is no output."""

    def take(self, chunk: OutputChunk) -> Iterator[Output]:
        """The signals for a chunk: none while all of it might be part of a secret, and one
        more where the target left something out before it."""
        if chunk.left_out:
            yield from self.notice(f"{chunk.left_out:,} bytes left out")
            self._last_of_stdout, self._is_cut = b"", True
        self.received = chunk.next_offset
        yield from self._tell(self._redactors[chunk.stream].feed(chunk.data), chunk.stream)

    def notice(self, what: str) -> Iterator[Output]:
        """The signals for a line of the console's own in the output."""
        yield from self.end()
        yield from self._tell(f"\n[… {what} …]\n".encode(), None)

    def end(self) -> Iterator[Output]:
        """The signals for what was held back."""
        for stream, redactor in self._redactors.items():
            yield from self._tell(redactor.flush(), stream)
        yield from self._signals(self.reports.flush(), Stream.OUTPUT)
        for finder in self._causes.values():
            finder.flush()
            self._cause = self._cause or finder.line

    def cause(self) -> str:
        """Returns the first line that names a cause of failure, else the last line that says
        something, as one safe line of at most 200 characters; empty: there was no output.

        Call it after `end`.
        """
        if self._cause:
            return one_line(self._cause.strip(), 200)
        return next(iter(self.last_lines()[-1:]), "")

    def last_lines(self) -> tuple[str, ...]:
        """The last lines that say something, each made one safe line of at most 200 characters."""
        lines = self._last.decode("utf-8", "replace").splitlines()
        said = [one_line(line, 200) for line in lines if line.strip()]
        return tuple(said[-_LAST_LINES:])

    def last_line(self) -> str:
        """The last line that says something, as a fact is recorded from it.

        Where stderr is told apart, a line of it is no answer; a notice never is.
        """
        return self._last_line()[0]

    @property
    def last_line_is_whole(self) -> bool:
        """Whether the beginning of the last line is known: neither too long nor left out."""
        return self._last_line()[1]

    def _last_line(self) -> tuple[str, bool]:
        lines = self._last_of_stdout.splitlines()
        for at in reversed(range(len(lines))):
            if text := lines[at].decode("utf-8", "replace").strip():
                return text, at > 0 or not self._is_cut
        return "", not self._is_cut

    def _tell(self, clean: bytes, stream: Stream | None) -> Iterator[Output]:
        if stream in (Stream.OUTPUT, Stream.STDOUT):
            clean = self.reports.feed(clean)
        return self._signals(clean, stream)

    def _signals(self, clean: bytes, stream: Stream | None) -> Iterator[Output]:
        if not clean:
            return
        signal = Output(self._run_id, self._told, clean, stream or NOTICE)
        self._told += len(clean)
        self._last = (self._last + clean)[-_KEPT_BYTES:]
        if stream is not None:
            self._find_cause(clean, stream)
        if stream in (Stream.OUTPUT, Stream.STDOUT):
            stdout = self._last_of_stdout + clean
            self._is_cut = self._is_cut or len(stdout) > _KEPT_BYTES
            self._last_of_stdout = stdout[-_KEPT_BYTES:]
        yield signal

    def _find_cause(self, clean: bytes, stream: Stream) -> None:
        if not self._cause:
            self._causes[stream].feed(clean)
            self._cause = self._causes[stream].line
