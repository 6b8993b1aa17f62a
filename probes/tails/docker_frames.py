"""Docker's log stream: frames to whole lines, timestamps off, nothing twice. Pure.

Source: Docker Engine API, "Attach to a container", stream format: eight bytes (stream,
three zeros, the length, big-endian), then the payload, which is one message of the
container, or 16 KiB of a longer one. With `timestamps` each begins with RFC 3339 time of
fixed width and a space. A container with a terminal has no frames, only text.
"""

from __future__ import annotations

from struct import Struct

from probes.tails.lines import LineSplitter

_HEADER = Struct(">BxxxL")
_STAMP_BYTES = len("2026-11-24T03:48:19.123456789Z ")
_MAX_PAYLOAD = 16 << 20
_RAW = 0
_STREAMS = range(4)


class FrameError(Exception):
    """Not Docker's log stream."""


class LogReader:
    """Turns a container's log stream into lines, and remembers how far each output was.

    A new stream that begins a little earlier repeats lines; `resume` makes it skip those
    that were given already: by time within stdout and stderr, each of which is in order.
    """

    def __init__(self) -> None:
        self.newest = b""
        """The time of the newest line, as Docker writes it; empty before the first."""
        self._first = b""
        self._seen: dict[int, tuple[bytes, int]] = {}  # stream: (its newest time, how many of it)
        self._skip: dict[int, tuple[bytes, int]] = {}
        self._parts: dict[int, LineSplitter] = {}
        self._is_raw = False
        self._rest = b""

    def resume(self, *, is_raw: bool) -> None:
        """A new stream begins. `is_raw`: the container has a terminal."""
        if self._first:
            self._skip = {one: self._seen.get(one, (self._first, 0)) for one in _STREAMS}
        self._rest = b""
        self._is_raw = is_raw

    def flush(self) -> bytes:
        """The unended lines as whole ones: when the container stopped in the middle of them."""
        return b"".join(part.flush() for part in self._parts.values())

    def feed(self, data: bytes) -> bytes:
        """The whole lines that `data` completes. Raises `FrameError`."""
        data = self._rest + data if self._rest else data
        return self._raw(data) if self._is_raw else self._framed(data)

    def _framed(self, data: bytes) -> bytes:
        out: list[bytes] = []
        at, size = 0, len(data)
        while size - at >= 8:
            stream, length = _HEADER.unpack_from(data, at)
            if stream not in _STREAMS or length > _MAX_PAYLOAD:
                raise FrameError(f"a frame of stream {stream} with {length} bytes")
            end = at + 8 + length
            if end > size:
                break
            out.append(self._message(stream, data[at + 8 : end]))
            at = end
        self._rest = data[at:]
        return b"".join(out)

    def _message(self, stream: int, payload: bytes) -> bytes:
        stamp, text = payload[:_STAMP_BYTES], payload[_STAMP_BYTES:]
        if self._was_given(stream, stamp):
            return b""
        part = self._parts.get(stream)
        if text.endswith(b"\n") and (part is None or part.is_between_lines):
            return text
        if part is None:
            part = self._parts[stream] = LineSplitter()
        return part.feed(text)

    def _was_given(self, stream: int, stamp: bytes) -> bool:
        skip = self._skip.get(stream)
        if skip is not None:
            until, count = skip
            if stamp < until:
                return True
            if stamp == until and count > 0:
                self._skip[stream] = (until, count - 1)
                return True
            del self._skip[stream]
        newest, times = self._seen.get(stream, (b"", 0))
        self._seen[stream] = (stamp, times + 1 if stamp == newest else 1)
        self._first = self._first or stamp
        if stamp > self.newest:
            self.newest = stamp
        return False

    def _raw(self, data: bytes) -> bytes:
        head, newline, self._rest = data.rpartition(b"\n")
        if len(self._rest) > _MAX_PAYLOAD:
            raise FrameError(f"a line of {len(self._rest)} bytes")
        lines = head.split(b"\n") if newline else []
        return b"".join(self._message(_RAW, line.rstrip(b"\r") + b"\n") for line in lines)
