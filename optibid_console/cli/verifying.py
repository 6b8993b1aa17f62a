"""`verify`: proves a journal, or names the first entry that isn't what was recorded."""

from __future__ import annotations

from argparse import Namespace

from optibid_console import paths
from optibid_console.codec import to_plain
from optibid_console.journal import places, spill
from optibid_console.printed import say, say_json
from probes.text import counted, one_line


def verify(options: Namespace) -> int:
    """0: whole. 1: changed, or the noted head isn't in it. 2: can't be read."""
    noted = None
    if options.head:
        noted = _noted(options.head)
        if noted is None:
            say(
                f"optibid-console: --head {one_line(options.head, 80)!r}: write it as `verify` "
                "prints it, NUMBER:HASH with the 64 digits of the hash",
                err=True,
            )
            return 2
    journal = places.newest(options.journal)
    found = places.verify(journal, noted)
    aside = [spill.check(one, found) for one in spill.beside(paths.beside(journal))]
    whole = not found.problem and not any(one.problem for one in aside)
    if options.json:
        answer = {
            "ok": whole, **to_plain(found), "spills": [to_plain(one) for one in aside],
        }  # fmt: skip
        say_json(answer)
        return 0 if whole else 1
    if found.problem:
        say(f"✗ {journal}: {one_line(found.problem, 400)}")
        say(f"  whole up to {found.entries}:{found.head}")
    else:
        entries = counted(found.entries, "entry", "entries")
        say(f"✓ {journal}: {entries}, each follows the one before")
        say(f"  head {found.entries}:{found.head}")
    for one in aside:
        say(f"{'✗' if one.problem else '!'} {one.path}: {one_line(one.said(), 400)}")
    return 0 if whole else 1


def _noted(text: str) -> tuple[int, str] | None:
    number, _, digest = text.partition(":")
    good = number.isdecimal() and len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    return (int(number), digest) if good else None
