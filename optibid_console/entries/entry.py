"""The journal's entry: a fact of any kind with its number, its time and its hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from optibid_console.codec import canonical, from_plain, to_plain
from optibid_console.entries.actions import ActionFact
from optibid_console.entries.databases import DatabaseFact
from optibid_console.entries.gates import GateFact
from optibid_console.entries.measured import MeasuredFact
from optibid_console.entries.observed import ObservedFact
from optibid_console.entries.people import PeopleFact
from optibid_console.entries.sharing import SharingFact
from optibid_console.entries.steps import StepFact
from optibid_console.entries.telling import TellingFact
from optibid_console.entries.window import WindowFact

Fact = (
    WindowFact
    | MeasuredFact
    | StepFact
    | DatabaseFact
    | ActionFact
    | GateFact
    | PeopleFact
    | TellingFact
    | ObservedFact
    | SharingFact
)


def kind_of(fact: type[Any]) -> str:
    """The name of a kind of fact in the journal: `WindowOpened` → `window-opened`."""
    return _dashed(fact.__name__)


@cache
def _dashed(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


FACTS: Mapping[str, type[Any]] = {kind_of(one): one for one in Fact.__args__}
Plain = tuple[str, dict[str, Any]]
"""The kind of a fact and its body."""
CONSOLE = "console"
"""The actor of what nobody asked for."""
GENESIS = "0" * 64
"""The hash before the first entry."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact of a kind that this version doesn't know: kept, passed on, not applied."""

    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A durable, numbered fact in the journal."""

    seq: int
    """1, 2, 3 … without a gap."""
    at: float
    """Seconds since the epoch, UTC."""
    mono: float
    """The engine's monotonic clock in seconds: orders and measures within one engine."""
    actor: str
    """Who: an operator's name, or `console`."""
    fact: Fact | Unread
    prev: str
    hash: str

    def to_plain(self) -> dict[str, Any]:
        """The entry as a JSON value, as on the wire."""
        plain = plain_fact(self.fact)
        said = _said(self.seq, self.at, self.mono, self.actor, plain, self.prev)
        return {**said, "hash": self.hash}


def seal(seq: int, at: float, mono: float, actor: str, fact: Fact | Unread, prev: str) -> Entry:
    """The entry after the one whose hash is `prev`, with its own SHA-256 over all it says."""
    return seal_plain(seq, at, mono, actor, fact, plain_fact(fact), prev)


def seal_plain(
    seq: int, at: float, mono: float, actor: str, fact: Fact | Unread, plain: Plain, prev: str
) -> Entry:
    """`seal` for who has the `plain_fact` of the fact already."""
    said = _said(seq, at, mono, actor, plain, prev)
    digest = hashlib.sha256(canonical(said)).hexdigest()
    return Entry(seq, at, mono, actor, fact, prev, digest)


def entry_from_plain(value: Mapping[str, Any]) -> Entry:
    """The entry that `Entry.to_plain` made. Raises `ValueError` for what isn't one."""
    try:
        return Entry(
            value["seq"], value["at"], value["mono"], value["actor"],
            fact_from_plain(value["kind"], value["body"]), value["prev"], value["hash"],
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an entry: {error!r}") from error


def fact_from_plain(kind: str, body: Any) -> Fact | Unread:
    """The fact that `plain_fact` made. Raises `ValueError` for what isn't one."""
    known = FACTS.get(kind)
    fact: Fact | Unread = Unread(kind, body) if known is None else from_plain(known, body)
    return fact


def plain_fact(fact: Fact | Unread) -> Plain:
    """The kind of a fact and what it says, as JSON values."""
    if isinstance(fact, Unread):
        return fact.kind, dict(fact.body)
    return kind_of(type(fact)), to_plain(fact)


def _said(seq: int, at: float, mono: float, actor: str, plain: Plain, prev: str) -> dict[str, Any]:
    kind, body = plain
    return {
        "seq": seq, "at": at, "mono": mono, "actor": actor, "kind": kind, "body": body,
        "prev": prev,
    }  # fmt: skip
