"""`./run bench [NAME …]`: the benchmarks, each one file here, `bench_NAME.py`.

Each prints one JSON line a figure: `{"bench": …, "figure": …, "value": …, "limit": …}`.
`--list` names them. The exit status is 1 when one of them failed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def benches() -> dict[str, Path]:
    """Name → file."""
    found = sorted(HERE.glob("bench_*.py"))
    return {path.stem.removeprefix("bench_"): path for path in found}


def main(argv: list[str]) -> int:
    known = benches()
    if argv == ["--list"]:
        print("\n".join(known))
        return 0
    unknown = [name for name in argv if name not in known]
    if unknown:
        named = ", ".join(known) or "none"
        print(f"bench: no bench {unknown[0]!r}; there are: {named}", file=sys.stderr)
        return 2
    chosen = argv or list(known)
    failed = [name for name in chosen if subprocess.call([sys.executable, known[name]]) != 0]
    if failed:
        print(f"bench: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
