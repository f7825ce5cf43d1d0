"""Who may send what to the API, and how much of it."""

import time
from collections.abc import Callable

from fastapi import Request

from cutis.errors import CutisError
from cutis.web.api.keys import ApiKey, KeyFile
from cutis.web.api.problems import Problem
from cutis.web.clinic.journal import current_request
from cutis.web.rate_limit import TokenBucket


class Senders:
    """Checks keys and their allowances.

    Args:
        keys: who may use the API; None: anybody who reaches it, without limit of rate.
        clock: seconds, never going back; tests set their own.
    """

    def __init__(self, keys: KeyFile | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._allowances: dict[str, TokenBucket] = {}

    @property
    def needs_key(self) -> bool:
        """Whether a key is asked for."""
        return self._keys is not None

    def check(self, request: Request) -> ApiKey | None:
        """The key that a request came with; None where none is needed. Its name then stands in the log.

        Raises:
            Problem: 401 without a key in use; 403 from another site's page; 503 where the keys cannot be read.
        """
        # A page of another site can have a browser send a form here, if not read the answer.
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Problem(403, "other-site")
        if self._keys is None:
            return None
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            key = self._keys.matching(given.strip()) if kind.lower() == "bearer" else None
        except CutisError as error:
            raise Problem(503, "keys-unreadable") from error
        if key is None:
            raise Problem(401, "no-key")
        current_request().key = key.name
        return key

    def charge(self, key: ApiKey | None, photographs: int) -> None:
        """Take photographs from a key's allowance.

        Raises:
            Problem: 429, there is not enough left.
        """
        if key is None:
            return
        pace = key.images_per_minute
        allowance = self._allowances.get(key.id)
        if allowance is None or allowance.most != pace:
            allowance = self._allowances[key.id] = TokenBucket(pace, pace / 60)
        wait = allowance.take(photographs, self._clock())
        if wait:
            raise Problem(429, "too-often", wait=wait)
