"""A disk as a power cut may leave it, made from what a process asked of the kernel.

Certain is only what was written before the last completed fsync or fdatasync of the same file;
a name is certain only after its directory was synced (fsync(2)). Of all that came later any
part may be there: each 512 or 4096 bytes of a write for themselves, in any order.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CALLS = "openat,mkdir,pwrite64,write,ftruncate,fsync,fdatasync,unlink,rename"
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
_BEGUN = re.compile(r"^(\d+) +(\w+\(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
_FD = re.compile(r"^(\d+)<(.*?)(?: \(deleted\))?>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that went well."""

    name: str
    fd: int
    path: str
    data: bytes = b""
    number: int = 0
    """Where a write begins, or the size that a file is cut to."""
    creates: bool = False


def trace(program: str, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> list[Call]:
    """What `program` asks of the kernel, in order. Raises `CalledProcessError`."""
    subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}",
         "-o", str(log), sys.executable, "-c", program, *arguments],
        check=True, env=dict(env), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return list(_calls(log))


def _calls(log: Path) -> Iterator[Call]:
    begun: dict[str, str] = {}
    for line in log.read_text().splitlines():
        if unfinished := _BEGUN.match(line):
            begun[unfinished[1]] = f"{unfinished[1]} {unfinished[2]}"
            continue
        if resumed := _RESUMED.match(line):
            line = begun.pop(resumed[1]) + resumed[2]
        found = _CALL.match(line)
        if found and int(found[4]) >= 0:
            yield _call(found[2], found[3], int(found[4]))


def _call(name: str, arguments: str, gave: int) -> Call:
    text = _TEXT.search(arguments)
    said = bytes.fromhex(text[1].replace("\\x", "")) if text else b""
    if name in ("mkdir", "unlink", "rename", "openat"):
        return Call(name, gave, said.decode(), creates="O_CREAT" in arguments)
    at = _FD.match(arguments)
    assert at is not None, arguments
    path = bytes.fromhex(at[2].replace("\\x", "")).decode() if "\\x" in at[2] else at[2]
    last = int(arguments.rpartition(", ")[2]) if name in ("pwrite64", "ftruncate") else -1
    return Call(name, int(at[1]), path, said[:gave] if said else b"", last)


@dataclass(slots=True)
class _File:
    certain: bytearray = field(default_factory=bytearray)
    later: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes, and cuts to a size (None), since the last sync."""
    size: int = 0

    def sync(self) -> None:
        for at, data in self.later:
            _do(self.certain, at, data)
        self.later.clear()

    def after_a_cut(self, chance: random.Random) -> bytes:
        kept = bytearray(self.certain)
        share = chance.choice((0.0, 0.5, 0.95, 1.0))
        sector = chance.choice((512, 4096))
        for at, data in self.later:
            if data is None:
                if chance.random() < share:
                    _do(kept, at, None)
                continue
            for begin in range(at, at + len(data), 1):
                if begin != at and begin % sector:
                    continue
                end = min(begin - begin % sector + sector, at + len(data))
                if chance.random() < share:
                    _do(kept, begin, data[begin - at : end - at])
        return bytes(kept)


def _do(content: bytearray, at: int, data: bytes | None) -> None:
    if data is None:
        del content[at:]
    content.extend(bytes(max(0, at + len(data or b"") - len(content))))
    if data:
        content[at : at + len(data)] = data


class Disk:
    """What lies below `root`, which is there for certain; `None` stands for a directory."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._certain: dict[str, _File | None] = {}
        self._later: list[tuple[str, _File | None, bool]] = []
        """Names that came (True) and went since their directory was synced."""
        self._now: dict[str, _File | None] = {}

    def take(self, call: Call) -> None:
        if not call.path.startswith(f"{self._root}/") and call.path != self._root:
            return
        there = self._now.get(call.path)
        match call.name:
            case "openat" if call.creates and call.path not in self._now:
                self._name(call.path, _File(), came=True)
            case "mkdir":
                self._name(call.path, None, came=True)
            case "unlink" if call.path in self._now:
                self._name(call.path, there, came=False)
            case "rename":
                raise NotImplementedError("nothing renames")
            case "pwrite64" | "write" if there is not None:
                at = call.number if call.name == "pwrite64" else there.size
                there.later.append((at, call.data))
                there.size = max(there.size, at + len(call.data))
            case "ftruncate" if there is not None:
                there.later.append((call.number, None))
                there.size = call.number
            case "fsync" | "fdatasync" if there is not None:
                there.sync()
            case "fsync" | "fdatasync":
                self._sync_names(call.path)

    def cut(self, chance: random.Random, into: Path) -> None:
        """Write what may be left below `into`; `chance` decides what is."""
        names = dict(self._certain)
        lost: set[str] = set()
        share = chance.choice((0.0, 0.5, 1.0))
        for path, one, came in self._later:
            # what happens to one name happens in order
            if path in lost or chance.random() >= share:
                lost.add(path)
            elif came:
                names[path] = one
            else:
                del names[path]
        for path, one in sorted(names.items()):
            place = into / Path(path).relative_to(self._root)
            if not place.parent.exists():
                continue  # its directory was lost
            if one is None:
                place.mkdir()
            elif not path.endswith("-shm"):  # memory that processes share
                place.write_bytes(one.after_a_cut(chance))

    def _name(self, path: str, one: _File | None, *, came: bool) -> None:
        self._later.append((path, one, came))
        if came:
            self._now[path] = one
        else:
            del self._now[path]

    def _sync_names(self, directory: str) -> None:
        left = []
        for path, one, came in self._later:
            if str(Path(path).parent) != directory:
                left.append((path, one, came))
            elif came:
                self._certain[path] = one
            else:
                self._certain.pop(path, None)
        self._later = left
