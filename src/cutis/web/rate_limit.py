"""How often something may be tried."""

import math
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


class TokenBucket:
    """A store of tokens that fills at a steady pace: short bursts are let through, a steady excess is not.

    Args:
        most: tokens when full, as it is at first.
        per_second: how fast it fills.
    """

    def __init__(self, most: float, per_second: float) -> None:
        self.most = most
        self.per_second = per_second
        self._tokens = most
        self._at: float | None = None

    def take(self, tokens: float, now: float) -> int:
        """Take tokens, or none: 0 if they were taken, else after how many whole seconds there will be enough.

        Args:
            tokens: how many; of more than ``most`` at once, a full store is enough and goes into debt.
            now: seconds of a clock that never goes back.
        """
        since = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        self._tokens = min(self.most, self._tokens + since * self.per_second)
        missing = min(tokens, self.most) - self._tokens
        if missing > 1e-9:
            return max(1, math.ceil(missing / self.per_second))
        self._tokens -= tokens
        return 0
