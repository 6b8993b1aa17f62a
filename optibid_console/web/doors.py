"""Who was let in: what a browser's cookie stands for. Knows no HTTP."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

IDLE_S = 12 * 3600.0
"""A browser that hasn't come for so long shows its token again."""
MAX_SESSIONS = 256


@dataclass(slots=True)
class Session:
    """One browser that showed a token which the feed took."""

    token: str
    seen_at: float
    """When it last came, on the clock of its `Doors`."""
    proved_at: float
    """When the feed last took the token."""
    pages: int = 0
    """How many it has open."""


class Doors:
    """The sessions, found by a random 256-bit cookie that is kept only as its hash."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}

    def let_in(self, token: str) -> str:
        """A new session; gives its cookie. The one that was away for longest makes room."""
        self._forget_idle()
        if len(self._sessions) >= MAX_SESSIONS:
            spare = [one for one in self._sessions.items() if not one[1].pages]
            away = min(spare or self._sessions.items(), key=lambda one: one[1].seen_at)
            del self._sessions[away[0]]
        cookie, now = secrets.token_urlsafe(32), self._clock()
        self._sessions[_hash(cookie)] = Session(token, now, now)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie; None: it stands for nobody."""
        self._forget_idle()
        session = self._sessions.get(_hash(cookie))
        if session is not None:
            session.seen_at = self._clock()
        return session

    def put_out(self, cookie: str) -> None:
        """Forget a session. Does nothing when there is none."""
        self._sessions.pop(_hash(cookie), None)

    def _forget_idle(self) -> None:
        now = self._clock()
        for key, session in list(self._sessions.items()):
            if not session.pages and now - session.seen_at > IDLE_S:
                del self._sessions[key]


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
