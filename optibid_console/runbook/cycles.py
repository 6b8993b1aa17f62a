"""Names that lead back to themselves."""

from __future__ import annotations

from collections.abc import Mapping

from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems

Graph = Mapping[str, tuple[str, ...]]


def note_cycles(problems: Problems, graph: Graph, places: Mapping[str, KeyPath], verb: str) -> None:
    """Note each circle once, where its first name stands: `"a" undoes "b" undoes "a"`."""
    done: set[str] = set()
    for start in graph:
        found = () if start in done else _way_back(start, graph)
        if found:
            text = f" {verb} ".join(f'"{one}"' for one in (*found, found[0]))
            problems.add(places[start], f"goes round in a circle: {text}", start)
            done.update(found)


def _way_back(start: str, graph: Graph) -> tuple[str, ...]:
    """The shortest way from `start` back to itself; empty when there is none."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    for way in ways:
        for following in graph.get(way[-1], ()):
            if following == start:
                return way
            if following not in seen:
                seen.add(following)
                ways.append((*way, following))
    return ()
