"""The study nurse's way in: an address that works once, exchanged for a session.

Both live in the server's memory, as hashes: a restart ends every session, and prints a fresh address.
"""

import hashlib
import secrets
import threading
from datetime import datetime, timedelta

SESSION = timedelta(hours=12)
"""How long a session lasts after it was last used."""

MOST_OPEN = 5
"""How many unused addresses work at a time; a further one voids the oldest."""


class NurseAccess:
    """Who is signed in; to be shared by all threads of a process."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._sessions: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def new_token(self) -> str:
        """A secret for one sign-in: 256 random bits."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._open = [*self._open, _hash(token)][-MOST_OPEN:]
        return token

    def sign_in(self, token: str, now: datetime) -> str | None:
        """Exchange a token for a session's secret; None if it was used, is void or never was."""
        session = secrets.token_urlsafe(32)
        with self._lock:
            if _hash(token) not in self._open:
                return None
            self._open.remove(_hash(token))
            self._sessions[_hash(session)] = now
        return session

    def signed_in(self, session: str, now: datetime) -> bool:
        """Whether this session lasts; if so it is used by this."""
        with self._lock:
            self._sessions = {each: used for each, used in self._sessions.items() if now - used < SESSION}
            if _hash(session) not in self._sessions:
                return False
            self._sessions[_hash(session)] = now
            return True

    def sign_out(self, session: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_hash(session), None)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
