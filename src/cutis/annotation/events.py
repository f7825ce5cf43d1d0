"""The history: append-only, each event bound to the one before by its hash.

The hash of an event is SHA-256 over the canonical JSON (keys in order, no spaces, ASCII) of an object with ``library``
(the library's random key), ``sequence``, ``at`` (UTC, ISO 8601 to the microsecond), ``person``, ``image``, ``kind``,
``details`` and ``previous``, the hash before it: 64 zeros for the first. Whoever can write to the database can still
make a whole new chain; the last hash, written down elsewhere, shows that.
"""

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, insert, select

from cutis.annotation.errors import AnnotationError, LibraryError
from cutis.annotation.tables import EventRow, LibraryRow
from cutis.database import content_sha256, steady

FIRST = "0" * 64
"""What stands before the first event."""

Kind = Literal["created", "invited", "joined", "signed out", "saved", "adjudicated", "imported"]


class LoggedEvent(NamedTuple):
    """An event as it stands in the history. ``image``: its ``image_id``; ``person``: who did it."""

    sequence: int
    at: datetime
    person: str | None
    image: str | None
    kind: str
    details: dict[str, Any]
    previous: str
    hash: str


class Log:
    """Appends to the history within a writing transaction, which it makes wait for any other."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        """Lock the history.

        Raises:
            LibraryError: the database holds no library.
            AnnotationError: the server's clock went back.
            ValueError: ``now`` has no time zone.
        """
        self._connection = connection
        key = connection.execute(select(LibraryRow.key).with_for_update()).scalar_one_or_none()
        if key is None:
            raise LibraryError("the database holds no library", fix="Make one with `cutis annotate create`.")
        self._key = key
        row = connection.execute(
            select(EventRow.sequence, EventRow.at, EventRow.hash).order_by(EventRow.sequence.desc()).limit(1)
        ).one_or_none()
        self._sequence = -1 if row is None else row.sequence
        self.head: str = FIRST if row is None else row.hash
        self.now = steady(now, None if row is None else row.at, AnnotationError)

    def append(
        self, kind: Kind, details: dict[str, Any], *, person: str | None = None, image: str | None = None
    ) -> None:
        """Append an event."""
        event = LoggedEvent(self._sequence + 1, self.now, person, image, kind, details, self.head, "")
        event = event._replace(hash=event_hash(self._key, event))
        self._connection.execute(insert(EventRow), event._asdict())
        self._sequence, self.head = event.sequence, event.hash


def event_hash(library_key: str, event: LoggedEvent) -> str:
    """SHA-256, in hexadecimal, of an event and the hash before it; the event's own ``hash`` does not count."""
    told = {
        "library": library_key,
        "sequence": event.sequence,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "person": event.person,
        "image": event.image,
        "kind": event.kind,
        "details": event.details,
        "previous": event.previous,
    }
    return content_sha256(told)
