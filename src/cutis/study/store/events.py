"""The event log: append-only, each event bound to the one before by its hash.

Each reader has a chain of their own, and the study one (-1): so readers who answer at once wait for no common lock. A
``sealed`` event of the study's chain holds the last hash of every reader's chain, which binds the chains together.

The hash of an event is SHA-256 over the canonical JSON (keys in order, no spaces, ASCII) of an object with ``study``
(the study's random key), ``chain``, ``sequence``, ``at`` (UTC, ISO 8601 to the microsecond), ``kind``, ``details`` and
``previous``, the hash before it: 64 zeros for the first. Whoever can write to the database can still make a whole new
chain; a hash of a seal kept elsewhere (:func:`seal` returns it) shows that.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select

from cutis import database
from cutis.database import content_sha256
from cutis.study.store.errors import NotNowError
from cutis.study.store.models import Event

STUDY_CHAIN = -1
"""The chain of the study itself; a reader's is their number."""

FIRST = "0" * 64
"""What stands before the first event of a chain."""

Kind = Literal[
    "created",
    "sealed",
    "closed",
    "results seen",
    "added",
    "invited",
    "joined",
    "consented",
    "instructed",
    "shown",
    "displayed",
    "zoomed",
    "hidden",
    "answered",
    "changed",
    "timed out",
    "moved on",
    "paused",
    "resumed",
    "finished",
    "signed out",
    "withdrawn",
]


class LoggedEvent(NamedTuple):
    """An event as it stands in the log."""

    chain: int
    sequence: int
    at: datetime
    kind: str
    details: dict[str, Any]
    previous: str
    hash: str


class Head(NamedTuple):
    """The end of a chain: what the next event is bound to."""

    sequence: int
    at: datetime | None
    hash: str


EMPTY = Head(-1, None, FIRST)

_HEAD = (
    select(Event.sequence, Event.at, Event.hash)
    .where(Event.study_id == bindparam("study"), Event.chain == bindparam("chain"))
    .order_by(Event.sequence.desc())
    .limit(1)
)
_APPEND = insert(Event)


def head(connection: Connection, study_id: int, chain: int) -> Head:
    """The end of a chain; ``EMPTY`` where it has no event."""
    row = connection.execute(_HEAD, {"study": study_id, "chain": chain}).one_or_none()
    return EMPTY if row is None else Head(row.sequence, row.at, row.hash)


def heads(connection: Connection, study_id: int) -> dict[int, Head]:
    """The end of every chain of a study."""
    last = (
        select(Event.chain, func.max(Event.sequence).label("sequence"))
        .where(Event.study_id == study_id)
        .group_by(Event.chain)
        .subquery()
    )
    rows = connection.execute(
        select(Event.chain, Event.sequence, Event.at, Event.hash)
        .join(last, (Event.chain == last.c.chain) & (Event.sequence == last.c.sequence))
        .where(Event.study_id == study_id)
        .order_by(Event.chain)
    )
    return {row.chain: Head(row.sequence, row.at, row.hash) for row in rows}


def steady(now: datetime, last: datetime | None) -> datetime:
    """The time to reckon with: never before the last event of this chain, and in UTC.

    Raises:
        NotNowError: the server's clock went back.
        ValueError: ``now`` has no time zone.
    """
    return database.steady(now, last, NotNowError)


def event_hash(study_key: str, event: LoggedEvent) -> str:
    """SHA-256, in hexadecimal, of an event and the hash before it; the event's own ``hash`` does not count."""
    told = {
        "study": study_key,
        "chain": event.chain,
        "sequence": event.sequence,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "kind": event.kind,
        "details": event.details,
        "previous": event.previous,
    }
    return content_sha256(told)


class Log:
    """Appends to one chain within a transaction that holds the chain's lock: the row of its reader, or its study.

    Events are gathered in ``appended`` until :func:`write_logs`. ``end``: the chain's, as it was read under the lock.
    """

    def __init__(self, study_id: int, study_key: str, chain: int, end: Head) -> None:
        self._study_id = study_id
        self._study_key = study_key
        self._chain = chain
        self.head = end
        self.appended: list[dict[str, Any]] = []

    def append(self, kind: Kind, at: datetime, details: dict[str, Any] | None = None) -> str:
        """Append an event and return its hash."""
        event = LoggedEvent(self._chain, self.head.sequence + 1, at, kind, details or {}, self.head.hash, "")
        event = event._replace(hash=event_hash(self._study_key, event))
        self.appended.append({"study_id": self._study_id, **event._asdict()})
        self.head = Head(event.sequence, at, event.hash)
        return event.hash


def write_logs(connection: Connection, logs: Sequence[Log]) -> None:
    """Write what was appended to these logs, in one statement."""
    events = [event for log in logs for event in log.appended]
    for log in logs:
        log.appended = []
    if events:
        connection.execute(_APPEND, events)
