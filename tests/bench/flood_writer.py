"""Writes a log: `flood_writer.py PATH LINES_A_SECOND SECONDS`, 120 bytes a line, in 10 ms pieces.

Each line carries its number and the moment when its piece was due. A writer that is late
catches up, so the count is what was asked; how late it was at most is printed at the end.
"""

from __future__ import annotations

import json
import sys
import time

LINE_BYTES = 120
PIECE_S = 0.01


def main(path: str, rate: int, seconds: float) -> int:
    a_piece = round(rate * PIECE_S)
    pieces = round(seconds / PIECE_S)
    worst_s = 0.0
    began = time.time()
    with open(path, "ab", buffering=0) as log:
        for piece in range(pieces):
            due = began + piece * PIECE_S
            now = time.time()
            if now < due:
                time.sleep(due - now)
            worst_s = max(worst_s, time.time() - due)
            log.write(b"".join(line(piece * a_piece + one, due) for one in range(a_piece)))
    took_s = time.time() - began
    written = pieces * a_piece
    print(json.dumps({"lines": written, "took_s": took_s, "late_ms": worst_s * 1000}), flush=True)
    return 0


def line(number: int, at: float) -> bytes:
    text = b"2026-11-24 20:17:42 - main - INFO - n%09d t%.3f " % (number, at)
    return text.ljust(LINE_BYTES - 1, b".") + b"\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
