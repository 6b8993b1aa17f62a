"""`verify`: proves that no entry of a journal was changed, or names the first that was."""

from __future__ import annotations

from argparse import Namespace

from optibid_console import paths
from optibid_console.codec import to_plain
from optibid_console.journal import places, spill
from optibid_console.journal_head import Noted, noted_head
from optibid_console.printed import say, say_json
from probes.text import counted, one_line


def verify(options: Namespace) -> int:
    """0: whole. 1: changed, or the noted head isn't in it. 2: can't be read."""
    noted = noted_head(options.head) if options.head else None
    if options.head and noted is None:
        say(
            f"optibid-console: --head {one_line(options.head, 80)!r}: write it as `verify` and "
            "`status` print it, NUMBER:HASH, or at least 12 digits of the hash",
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
        say(f"  {_proof(noted)}")
    for one in aside:
        say(f"{'✗' if one.problem else '!'} {one.path}: {one_line(one.said(), 400)}")
    return 0 if whole else 1


def _proof(noted: Noted | None) -> str:
    """What a journal without a problem proves."""
    if noted is not None:
        return f"the noted head {noted} is in it: nothing up to it was cut off or sealed anew"
    return (
        "this doesn't show entries that were cut off at its end, or a chain that was sealed anew: "
        "give a head that was noted elsewhere, --head NUMBER:HASH"
    )
