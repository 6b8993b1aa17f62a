"""`check` and `probe`: look at a config, and at the world through it, without a window."""

from __future__ import annotations

import asyncio
import difflib
import os
from argparse import Namespace
from collections.abc import Mapping

from optibid_console.codec import to_plain
from optibid_console.database.migrations import (
    LISTING,
    RELEASE_LISTING,
    files_of,
    shared_numbers,
    shared_words,
)
from optibid_console.printed import say, say_json
from optibid_console.runbook.load import Loaded, RunbookError, load
from optibid_console.runbook.model import ProbeSpec, Runbook, StepKind
from optibid_console.runbook.pattern_trial import slow_patterns
from optibid_console.runbook.problems import Problem
from probes.probe import HostError, Probe, Reading, Status, take
from probes.text import one_line

GLYPHS: Mapping[Status, str] = {
    Status.OK: "✓", Status.WARN: "!", Status.FAILING: "✗", Status.ERROR: "?",
}  # fmt: skip
_LISTING_S = 5.0


def check(options: Namespace) -> int:
    """Every problem of a config, or how much is in it. Its patterns are tried on hostile texts."""
    try:
        loaded = load(options.config, os.environ)
    except RunbookError as error:
        if options.json:
            problems = [one.to_plain() for one in error.problems]
            say_json({"ok": False, "problems": problems})
        else:
            for problem in error.problems:
                say(problem)
        return 2
    counts = _counts(loaded.runbook)
    found = (*loaded.warnings, *slow_patterns(loaded), *asyncio.run(_migrations(loaded, options)))
    if options.json:
        warnings = [one.to_plain() for one in found]
        answer = {"ok": True, "digest": loaded.digest, "counts": counts, "warnings": warnings}
        say_json(answer)
        return 0
    for warning in found:
        say(f"! {warning}")
    said = ", ".join(f"{count} {what}" for what, count in counts.items())
    say(f"✓ {options.config}: {said}")
    return 0


def probe(options: Namespace) -> int:
    """Readings of the named probes, or of all: 1 when one fails, 4 when one is no measurement."""
    loaded = load(options.config, os.environ)
    known = loaded.runbook.probes
    for name in options.names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            listed = ", ".join(known) or "none"
            say(f'no probe "{one_line(name)}"; probes are {listed}{hint}', err=True)
            return 2
    chosen = options.names or list(known)
    readings = asyncio.run(_read(loaded, chosen))
    if options.json:
        say_json([to_plain(one) for one in readings])
    else:
        width = max((len(one.probe) for one in readings), default=0)
        for reading in readings:
            say(_line(reading, width))
    statuses = {one.status for one in readings}
    if Status.FAILING in statuses:
        return 1
    return 4 if Status.ERROR in statuses else 0


async def _read(loaded: Loaded, names: list[str]) -> list[Reading]:
    from optibid_console.engine.building import build_probes
    from optibid_console.targets import open_targets

    targets = open_targets(loaded.runbook, lambda state: None)
    try:
        built = build_probes(loaded, targets, {})
        try:
            return await asyncio.gather(*(_one(name, built) for name in names))
        finally:
            await asyncio.gather(*(probe.close() for _, probe in built.values()))
    finally:
        await asyncio.gather(*(target.close() for target in targets.values()))


async def _one(name: str, built: Mapping[str, tuple[ProbeSpec, Probe]]) -> Reading:
    if name not in built:
        why = "needs a fact that is only known in a window, as ${backup.path}"
        return Reading(name, Status.ERROR, why, 0.0, 0.0)
    spec, probe = built[name]
    return await take(probe, spec.timeout)


async def _migrations(loaded: Loaded, options: Namespace) -> list[Problem]:
    """Returns what is odd about migration files on this machine; other hosts aren't asked."""
    from optibid_console.engine.operations.databases import files_command
    from optibid_console.targets import open_targets

    book = loaded.runbook
    migrated = {step.database for _, step in book.steps() if step.kind is StepKind.MIGRATE}
    here = [
        one for name, one in book.databases.items()
        if name in migrated and one.migrations and book.targets[one.on].kind == "local"
    ]  # fmt: skip
    targets = open_targets(book, lambda state: None) if here else {}
    found: list[Problem] = []
    try:
        for spec in here:
            text = RELEASE_LISTING if spec.revision else LISTING
            try:
                command = files_command(text, spec, {})
                done = await targets[spec.on].execute(command, timeout_s=_LISTING_S)
                why = one_line(done.stderr, 300) if done.exit_status else ""
            except (HostError, TimeoutError, ValueError) as error:
                why = str(error) or "it took too long"
            key = f"databases.{spec.id}.migrations"
            said = [f"what is pending can't be read now: {why}"] if why else []
            if not why:
                names = [one.name for one in files_of(done.stdout)]
                said = [shared_words(one) for one in shared_numbers(names)]
            found += [Problem(options.config.name, 0, key, "", one) for one in said]
    finally:
        await asyncio.gather(*(target.close() for target in targets.values()))
    return found


def _line(reading: Reading, width: int) -> str:
    word = f"{GLYPHS[reading.status]} {reading.status.value}"
    took = f"{reading.took_ms:.0f} ms"
    return f"{word:9} {reading.probe:{width}}  {one_line(reading.summary, 600)}  {took}"


def _counts(runbook: Runbook) -> dict[str, int]:
    return {
        "targets": len(runbook.targets),
        "phases": len(runbook.phases),
        "steps": sum(1 for _ in runbook.steps()),
        "actions": len(runbook.actions),
        "check items": sum(len(section.items) for section in runbook.checklist),
        "probes": len(runbook.probes),
        "panels": len(runbook.panels),
        "tails": len(runbook.tails),
        "criteria": len(runbook.criteria),
        "channels": len(runbook.tell),
    }
