"""Each regular expression of a runbook, tried against texts that are hard for it: for `check`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optibid_console.codec import from_plain
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import PanelSpec, ProbeSpec
from optibid_console.runbook.positions import KeyPath, positions
from optibid_console.runbook.problems import Problem, Problems
from probes import registry
from probes.patterns import Pattern, PatternError, compiled, hostile_texts

TRIED_BYTES = 64_000
TRIAL_S = 4.0
"""For all patterns together; what is left over is said."""


def slow_patterns(loaded: Loaded) -> tuple[Problem, ...]:
    """Returns a warning for each pattern that can outlast its probe's time limit.

    Processor time is measured, so that a busy machine doesn't change what is said.
    """
    until = time.monotonic() + TRIAL_S
    found = Problems(loaded.path.name, positions(_text(loaded.path)))
    untried = 0
    for path, spec, pattern, most_bytes in _patterns(loaded):
        if time.monotonic() >= until:
            untried += 1
            continue
        took_s = slowest_s(pattern, most_bytes)
        if took_s > spec.timeout:
            found.add(
                path,
                f"takes up to {took_s:.1f} s on a hostile text of {most_bytes:,} bytes, but the"
                f" time limit is {spec.timeout:g} s: shorten its repeats {{n,m}}",
                pattern.text,
            )
    if untried:
        found.add((), f"{untried} regular expressions weren't tried: {TRIAL_S:g} s were over")
    return found.sorted()


def slowest_s(pattern: Pattern, most_bytes: int) -> float:
    """Returns the processor seconds that the hardest of some texts of `most_bytes` would take."""
    length = min(most_bytes, TRIED_BYTES)
    slowest = 0.0
    for text in hostile_texts(pattern.text, length):
        began = time.thread_time()
        pattern.search(text)
        slowest = max(slowest, time.thread_time() - began)
    return slowest * most_bytes / length


def _patterns(
    loaded: Loaded,
) -> Iterator[tuple[KeyPath, ProbeSpec | PanelSpec, Pattern, int]]:
    book = loaded.runbook
    observed: tuple[ProbeSpec | PanelSpec, ...] = (*book.probes.values(), *book.panels.values())
    for spec in observed:
        kind = _kind(spec)
        path = ("probes" if isinstance(spec, ProbeSpec) else "panels", spec.id)
        given = loaded.secrets.reveal_all(dict(spec.settings))
        settings: Any = from_plain(registry.settings_class(kind), given)
        named = getattr(settings, "patterns", None)
        for key, text, most_bytes in named() if named else ():
            where = (*path, *key.split("."))
            yield where, spec, _made(kind, key, text), most_bytes


def _kind(spec: ProbeSpec | PanelSpec) -> str:
    return spec.kind if isinstance(spec, ProbeSpec) else spec.source


def _made(kind: str, key: str, text: str) -> Pattern:
    try:
        return compiled(text, lines=kind == "command", captures=key == "number")
    except PatternError as error:  # `load` compiled it
        raise RuntimeError(f"{key}: {error}") from error


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")
