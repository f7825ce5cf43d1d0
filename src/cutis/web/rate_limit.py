"""How often something may be tried."""

import threading
from collections import OrderedDict, deque
from datetime import datetime, timedelta

MOST_KEYS = 10_000
"""How many keys are remembered; the one not seen for longest is forgotten first."""


class RateLimit:
    """At most ``most`` attempts a key within any ``seconds``; to be shared by all threads of a process."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._window = timedelta(seconds=seconds)
        self._attempts: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, key: str, now: datetime) -> bool:
        """Whether one more is allowed; it is counted if so."""
        with self._lock:
            attempts = self._attempts.setdefault(key, deque())
            self._attempts.move_to_end(key)
            if len(self._attempts) > MOST_KEYS:
                self._attempts.popitem(last=False)
            while attempts and now - attempts[0] >= self._window:
                attempts.popleft()
            if len(attempts) >= self._most:
                return False
            attempts.append(now)
            return True
