"""What can happen in a window: the facts that the journal keeps.

An `Entry` is a numbered, timed fact with the hash of the one before it; its `fact` is
one of the frozen dataclasses below. Screens, observers and replays get the same ones.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from optibid_console.codec import canonical, from_plain, to_plain
from optibid_console.database.locks import LockWait
from optibid_console.database.measures import Cost, Measures
from probes.probe import Reading


class Outcome(StrEnum):
    """How a step or an action ended. `UNKNOWN`: nobody knows until the target was asked."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    ABORTED = "aborted"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    REHEARSED = "rehearsed"
    """Walked in a rehearsal: what it would do is recorded, nothing was done."""


class Verdict(StrEnum):
    """A criterion's judgement. No data is never a pass."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class Mark(StrEnum):
    """What a person said of a check item."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    NOT_APPLICABLE = "not-applicable"


class Choice(StrEnum):
    """What to do with an action that stopped at a failed step."""

    RETRY = "retry"
    SKIP = "skip"
    STOP = "stop"


class Vote(StrEnum):
    GO = "go"
    NO_GO = "no-go"


# The window


@dataclass(frozen=True, slots=True)
class WindowOpened:
    window_id: str
    name: str
    version: str
    stamp: str
    """`YYYYMMDD_HHMMSS` (UTC) of the opening: the one that names backups and tags."""
    t0: float
    """Seconds since the epoch, UTC."""
    speed: float
    digest: str
    """SHA-256 of the runbook's canonical document."""
    runbook: Mapping[str, Any]
    """The runbook's document, its secrets still as `${NAME}`."""
    rehearsal: bool = False
    """Nothing is changed in it: its targets launch what is marked read-only, nothing else."""


@dataclass(frozen=True, slots=True)
class EngineStarted:
    version: str
    host: str
    pid: int
    boot_id: str = ""
    epoch: int = 0
    """Of the journal's lease that it took; launches carry it."""
    took_over_from: str = ""
    """Who held the lease, when a living engine was deposed."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EngineStopped:
    reason: str


@dataclass(frozen=True, slots=True)
class RunbookAccepted:
    """From now on the window goes by another runbook; steps keep what they are by their id."""

    digest: str
    differences: tuple[str, ...]
    runbook: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RehearsalMeasured:
    """How long steps took in this window's last rehearsal: it feeds the estimates."""

    window_id: str
    """The rehearsal's."""
    at: float
    """When the last of them ended: seconds since the epoch, UTC."""
    durations_s: Mapping[str, float]
    """Step id → seconds; only those whose command is still the same."""


@dataclass(frozen=True, slots=True)
class StepMeasured:
    """How long one step took in earlier windows."""

    seconds: float
    """The median, evidence included."""
    windows: int
    """Of so many windows."""
    bytes_per_s: float = 0.0
    """Of a restore: bytes of its backup restored in a second, the median; 0: not known."""


@dataclass(frozen=True, slots=True)
class WindowsMeasured:
    """How long the same steps took in the last windows of this name: it feeds the estimates."""

    windows: tuple[str, ...]
    """Their ids, the newest first."""
    at: float
    """When the last of those steps ended: seconds since the epoch, UTC."""
    steps: Mapping[str, StepMeasured]
    """Step id → what is known of it; only those whose command is still the same."""


@dataclass(frozen=True, slots=True)
class SpillOpened:
    """The journal can't be written: a forced rollback goes on in a spill file from here on."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class SpillMerged:
    """The journal is back: entries `first` to `last` were recorded in the spill file."""

    first: int
    last: int
    path: str


@dataclass(frozen=True, slots=True)
class OperatorTook:
    """Somebody holds the window's lease from now on."""

    operator: str
    epoch: int
    reason: str = ""
    previous: str = ""


HANDED_OVER = "handed over"


@dataclass(frozen=True, slots=True)
class OperatorLeft:
    operator: str
    how: str
    """`left the window running`, `connection lost`, `handed over`."""


@dataclass(frozen=True, slots=True)
class T0Set:
    t0: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    reason: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The hold ended; what is left shifts: T-0 is `shift_s` wall seconds later."""

    shift_s: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class WindowClosed:
    outcome: str
    """`completed`, `rolled back` or `abandoned`."""
    note: str = ""


# Steps and runs


@dataclass(frozen=True, slots=True)
class StepStarted:
    """Committed before anything acts."""

    step_id: str
    run_id: str
    attempt: int
    kind: str
    target: str = ""
    command: str = ""
    """As it will be run; secrets as `${NAME}`."""
    epoch: int = 0
    timeout_s: float = 0.0
    action_run: str = ""
    """The action that it belongs to, or empty."""
    reason: str = ""
    """Why it is run again, when the person said so."""


@dataclass(frozen=True, slots=True)
class RunLaunched:
    """The target has the run. `attached`: it had it already, and it was not started again."""

    run_id: str
    attached: bool = False


@dataclass(frozen=True, slots=True)
class RunUnreachable:
    """The connection is lost: the run's outcome is unknown until the target was asked."""

    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    run_id: str
    outcome: Outcome
    reason: str
    exit_status: int | None = None
    signal: str = ""
    duration_s: float = 0.0
    output_bytes: int = 0
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceTaken:
    """What the probes named as evidence said after the command."""

    step_id: str
    run_id: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class StepFinished:
    step_id: str
    run_id: str
    outcome: Outcome
    reason: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StepSettled:
    """The operator's word on a step whose run is gone without a trace."""

    step_id: str
    run_id: str
    outcome: Outcome
    """`succeeded` or `failed`."""
    reason: str


@dataclass(frozen=True, slots=True)
class StepSkipped:
    step_id: str
    reason: str
    action_run: str = ""


@dataclass(frozen=True, slots=True)
class Jumped:
    """The window goes on from another step; what lies between is treated as said here."""

    step_id: str
    reason: str
    skipped: tuple[str, ...] = ()
    """Steps that are left out; none of them is required."""
    again: tuple[str, ...] = ()
    """Steps that were over and are open again."""
    kept: tuple[str, ...] = ()
    """Steps that an earlier jump had opened again, and that stay as they were before it."""


@dataclass(frozen=True, slots=True)
class AbortAsked:
    run_id: str


@dataclass(frozen=True, slots=True)
class FactRecorded:
    """Something that the console knows from now on: `previous.release`, `backup.path`."""

    name: str
    value: str
    step_id: str = ""


@dataclass(frozen=True, slots=True)
class ArtifactRecorded:
    """Something to go back to was made and verified: a backup, above all."""

    name: str
    """What it is of: a database's id, `configuration`, `tag`."""
    kind: str
    """`database`, `files`, `tag`, `image` or `revision`."""
    target: str
    path: str
    """Where it is there, or what names it: a tag, a digest."""
    size_bytes: int = 0
    sha256: str = ""
    checks: tuple[str, ...] = ()
    """What was verified, in words."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Of the moment that it holds: `server_version`, `wal_lsn`, `transactions`, `taken_at`."""
    step_id: str = ""
    run_id: str = ""


# Databases


@dataclass(frozen=True, slots=True)
class MigrationsRead:
    """What a database and its migration files say, when that is another than before."""

    database: str
    moment: str
    """`seen` by the way, `before` a run, `during` it, or `after` it."""
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """Migrations that failed → their error message."""
    changes: tuple[str, ...] = ()
    """`after`: what the run changed in the schema."""
    step_id: str = ""
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class MigrationsUnread:
    """What is pending can't be read any more, and why; it is still the last that was read."""

    database: str
    why: str
    """Empty: it can be read again, and says the same as before."""


@dataclass(frozen=True, slots=True)
class RestoreRights:
    """What the console's role at a database can or can't restore, when that has changed."""

    database: str
    lacking: tuple[str, ...]
    """A sentence each; empty: it can restore all of it."""


@dataclass(frozen=True, slots=True)
class SchemaRead:
    """A database's schema: its fingerprint, and its objects by name."""

    database: str
    moment: str
    """`backup`: as its backup begins; `before` a migration."""
    fingerprint: str
    objects: Mapping[str, str]
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseMarked:
    """How far a database had come as its backup began: the cost of going back counts from it."""

    database: str
    run_id: str
    measures: Measures


@dataclass(frozen=True, slots=True)
class CostMeasured:
    """What going back to the backup would lose is notably more than last time, or unknown."""

    cost: Cost


@dataclass(frozen=True, slots=True)
class LockWaited:
    """Something in a database waits for a lock while a migration runs."""

    database: str
    run_id: str
    wait: LockWait


@dataclass(frozen=True, slots=True)
class BackupOverridden:
    """A migration may run without a verified backup of this window, because somebody says so."""

    database: str
    step_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class DatabaseRestored:
    """A database is again as its backup was; the damaged one is kept."""

    database: str
    run_id: str
    path: str
    """Of the artifact."""
    kept_as: str = ""
    """The damaged database's name now."""
    checks: tuple[str, ...] = ()
    """What was compared, in words."""


# Actions


@dataclass(frozen=True, slots=True)
class ActionStarted:
    action_id: str
    action_run: str
    steps: tuple[str, ...]
    """The steps that it will do, in order: computed from what was done in this window."""
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionStopped:
    """A step of the action failed; it waits for a choice."""

    action_run: str
    step_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ActionDecided:
    action_run: str
    choice: Choice
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ActionFinished:
    action_run: str
    outcome: Outcome
    reason: str = ""
    duration_s: float = 0.0


# Gates


@dataclass(frozen=True, slots=True)
class GateOpened:
    """A gate is asked from now on, and its timeout runs."""

    gate: str
    """`phase:ID` or `action:ID`."""
    timeout_s: float = 0.0
    """0: it waits for ever."""
    on_timeout: str = "hold"


@dataclass(frozen=True, slots=True)
class GateConfirmed:
    """The entry's actor, a second person, says go."""

    gate: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class GateTimedOut:
    gate: str
    on_timeout: str
    missing: tuple[str, ...]
    """What it still waited for."""


@dataclass(frozen=True, slots=True)
class GateDecided:
    """How the operator goes on after a timeout that asks: `wait`, `go` or `no-go`."""

    gate: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class GatePassed:
    """What it guards begins; `grounds` say why it might."""

    gate: str
    grounds: tuple[str, ...]


# People


@dataclass(frozen=True, slots=True)
class ItemMarked:
    item_id: str
    mark: Mark
    note: str = ""


@dataclass(frozen=True, slots=True)
class NoteWritten:
    subject: str
    """`step:2.1b`, `item:db-backup`, `probe:redis`, `criterion:…` or `window`."""
    text: str


@dataclass(frozen=True, slots=True)
class PollCalled:
    poll_id: str
    question: str
    roles: tuple[str, ...]
    gate: str = ""
    """The gate that it is about, or empty."""


@dataclass(frozen=True, slots=True)
class VoteCast:
    poll_id: str
    role: str
    vote: Vote
    note: str = ""
    seen: Mapping[str, str] = field(default_factory=dict)
    """What the console showed then: `panel.ID` and `criterion.ID` → value and verdict."""


@dataclass(frozen=True, slots=True)
class PollClosed:
    poll_id: str
    result: str
    """`go`, `no-go` or `incomplete`."""


@dataclass(frozen=True, slots=True)
class EscalationStarted:
    """The escalation clock runs since the first failing criterion, or since somebody says so."""

    reason: str


@dataclass(frozen=True, slots=True)
class RungDue:
    """The time of a rung has come and nobody had acknowledged it."""

    rung: int
    action: str
    contact: str = ""


@dataclass(frozen=True, slots=True)
class EscalationAcknowledged:
    rung: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class EscalationEnded:
    reason: str


# Telling people


@dataclass(frozen=True, slots=True)
class Told:
    """A channel took the message about entry `about`."""

    about: int
    channel: str
    title: str
    attempt: int = 1
    late: bool = False
    """Whether an engine that started later told it, because the one before had ended."""


@dataclass(frozen=True, slots=True)
class TellingFailed:
    """A try to tell people of entry `about` failed; it is tried again unless it is `over`."""

    about: int
    channel: str
    title: str
    reason: str
    attempt: int
    retry_in_s: float = 0.0
    over: bool = False


@dataclass(frozen=True, slots=True)
class TellingSkipped:
    """Nobody is told of entry `about` through this channel any more."""

    about: int
    channel: str
    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChannelsSet:
    """The channels that can't be used with this engine's environment, and why; none: empty."""

    off: Mapping[str, str]


# What is observed


@dataclass(frozen=True, slots=True)
class ProbeChanged:
    """A probe's or panel's status changed; every sample is a signal."""

    reading: Reading
    subject: str = "probe"
    """`probe` or `panel`."""


@dataclass(frozen=True, slots=True)
class BaselineTaken:
    values: Mapping[str, float]
    """Panel id → the median of what it said before the deployment."""


@dataclass(frozen=True, slots=True)
class CriterionJudged:
    """A criterion's verdict changed."""

    criterion_id: str
    verdict: Verdict
    reason: str
    since: float
    """Since when the condition holds: seconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class CriterionAsserted:
    """A person says that a trigger is met (`fail`), or not any more (`pass`)."""

    criterion_id: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class ReadinessChanged:
    """Whether an action (rollback above all) could be done now, and what is missing."""

    action_id: str
    ready: bool
    missing: tuple[str, ...] = ()
    estimate_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The connection to a target changed."""

    target: str
    state: str
    detail: str = ""


# Sharing with observers


@dataclass(frozen=True, slots=True)
class SharingStarted:
    """Observers are listened for."""

    address: str
    """HOST:PORT."""
    fingerprint: str
    """Base64url of the certificate's SHA-256; empty: without TLS."""
    cert: str = ""
    """The file of a given certificate; empty: the console made one."""
    plain: str = ""
    """For which host TLS was left out."""


@dataclass(frozen=True, slots=True)
class SharingStopped:
    """Nobody is listened for any more; all links are void."""

    reason: str


@dataclass(frozen=True, slots=True)
class WatchShared:
    """A link was made with which the window can be watched."""

    name: str
    """For whom."""
    token_sha256: str
    """Of its token, which is recorded nowhere."""
    expires_at: float
    """Seconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class WatchRevoked:
    """A link is void from now on."""

    name: str


Fact = (
    WindowOpened
    | RunbookAccepted
    | SpillOpened
    | SpillMerged
    | EngineStarted
    | EngineStopped
    | OperatorTook
    | OperatorLeft
    | T0Set
    | Held
    | Resumed
    | WindowClosed
    | StepStarted
    | RunLaunched
    | RunUnreachable
    | RunEnded
    | EvidenceTaken
    | StepFinished
    | StepSettled
    | StepSkipped
    | Jumped
    | AbortAsked
    | FactRecorded
    | ArtifactRecorded
    | MigrationsRead
    | MigrationsUnread
    | RestoreRights
    | SchemaRead
    | DatabaseMarked
    | CostMeasured
    | LockWaited
    | BackupOverridden
    | DatabaseRestored
    | ActionStarted
    | ActionStopped
    | ActionDecided
    | ActionFinished
    | GateOpened
    | GateConfirmed
    | GateTimedOut
    | GateDecided
    | GatePassed
    | ItemMarked
    | NoteWritten
    | PollCalled
    | VoteCast
    | PollClosed
    | EscalationStarted
    | RungDue
    | EscalationAcknowledged
    | EscalationEnded
    | Told
    | TellingFailed
    | TellingSkipped
    | ChannelsSet
    | ProbeChanged
    | BaselineTaken
    | CriterionJudged
    | CriterionAsserted
    | ReadinessChanged
    | LinkChanged
    | RehearsalMeasured
    | SharingStarted
    | SharingStopped
    | WatchShared
    | WatchRevoked
    | WindowsMeasured
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
