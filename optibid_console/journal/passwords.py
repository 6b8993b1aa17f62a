"""The password of a team's journal: from the environment, and not on to what an engine starts."""

from __future__ import annotations

import os

PASSWORD = "OPTIBID_JOURNAL_PASSWORD"
"""Goes before PGPASSWORD, which steps on this machine may need for the deployed database."""
_taken = ""


def take_password() -> str:
    """Keep it in this process alone, so that no run on this machine inherits it; gives it, for
    the redactor."""
    global _taken
    _taken = os.environ.pop(PASSWORD, "") or _taken
    return _taken


def password() -> str:
    """Empty: libpq finds one by itself (PGPASSWORD, ~/.pgpass), or none is needed."""
    return os.environ.get(PASSWORD) or _taken
