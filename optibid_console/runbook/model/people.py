"""`[[checklist]]`, `[contacts]` and `[[escalation]]`: what people look at, and whom to call."""

from __future__ import annotations

import re
from dataclasses import dataclass

from probes.probe import Seconds


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One line of the checklist."""

    id: str
    text: str
    probe: str = ""
    """A probe whose reading is shown beside it as a hint; a person ticks."""
    service: str = ""
    role: str = ""
    """A sign-off line: the role that signs."""


@dataclass(frozen=True, slots=True)
class CheckSection:
    """`[[checklist]]`: a section of check items."""

    id: str
    title: str
    group: str
    """The checklist's chapter: `Pre-Deployment Checks`."""
    items: tuple[CheckItem, ...]
    phase: str = ""
    """The phase during which it is worked through."""


_PLACEHOLDER = re.compile(r"\s*\[[^\]]*\]\s*")


def filled_in(value: str) -> str:
    """The value of a contact's field; empty for a placeholder such as `[Phone]`."""
    return "" if _PLACEHOLDER.fullmatch(value) else value


@dataclass(frozen=True, slots=True)
class Contact:
    """`[contacts.ID]`: whom to call."""

    id: str
    role: str
    name: str = ""
    phone: str = ""
    email: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """`[[escalation]]`: one rung of the escalation path."""

    after: Seconds
    action: str
    contact: str = ""
