"""What an operator can ask of the engine, as frozen dataclasses.

A command asks; the engine decides (`permit`) and answers `Accepted` or `Refused`. What then
happens is an entry. A file for what they are about, as in `entries`; `command` has the union of
them all, their answers and the encoding.
"""

from __future__ import annotations

from optibid_console.commands.command import (
    COMMANDS,
    Accepted,
    Command,
    Refused,
    Reply,
    command_from_plain,
    command_to_plain,
)
from optibid_console.commands.databases import AdoptMigrations, ChooseBackup
from optibid_console.commands.gates import (
    CallPoll,
    CastVote,
    ClosePoll,
    ConfirmGate,
    DecideGate,
    OpenGate,
)
from optibid_console.commands.people import (
    AcknowledgeEscalation,
    AssertCriterion,
    EndEscalation,
    MarkItem,
    StartEscalation,
    TellAgain,
    WriteNote,
)
from optibid_console.commands.sharing import Revoke, Share, StartSharing, StopSharing
from optibid_console.commands.steps import (
    Abort,
    AskWaiver,
    ConfirmWaiver,
    Decide,
    GoForward,
    Jump,
    RunStep,
    Settle,
    SkipStep,
    StartAction,
    StopAction,
    WaiveStep,
)
from optibid_console.commands.window import (
    CloseWindow,
    Hold,
    Leave,
    LookAtRunbook,
    ReloadRunbook,
    Resume,
    StopEngine,
    TakeOver,
)

__all__ = [
    "COMMANDS",
    "Abort",
    "Accepted",
    "AcknowledgeEscalation",
    "AdoptMigrations",
    "AskWaiver",
    "AssertCriterion",
    "CallPoll",
    "CastVote",
    "ChooseBackup",
    "ClosePoll",
    "CloseWindow",
    "Command",
    "ConfirmGate",
    "ConfirmWaiver",
    "Decide",
    "DecideGate",
    "EndEscalation",
    "GoForward",
    "Hold",
    "Jump",
    "Leave",
    "LookAtRunbook",
    "MarkItem",
    "OpenGate",
    "Refused",
    "ReloadRunbook",
    "Reply",
    "Resume",
    "Revoke",
    "RunStep",
    "Settle",
    "Share",
    "SkipStep",
    "StartAction",
    "StartEscalation",
    "StartSharing",
    "StopAction",
    "StopEngine",
    "StopSharing",
    "TakeOver",
    "TellAgain",
    "WaiveStep",
    "WriteNote",
    "command_from_plain",
    "command_to_plain",
]
