"""The history: append-only, each event bound to the one before by its hash, and without a word about a patient.

The hash of an event is SHA-256 over the canonical JSON (keys in order, no spaces, ASCII) of an object with ``store``
(the follow-up's random key), ``sequence``, ``at`` (UTC, ISO 8601 to the microsecond), ``person``, ``subject``,
``kind``, ``details`` and ``previous``, the hash before it: 64 zeros for the first.

What was saved stands elsewhere, in versions. An event holds the version's number and the SHA-256 of its content
together with 256 random bits (a salt) that lie beside the content. As long as both are there, the event proves the
content. Once they are erased the hash says nothing: without the salt nobody can try out birth years or diagnoses. So
the history stays whole for ever, and a patient's data can be erased (GDPR, article 17).
"""

import secrets
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, func, insert, select

from cutis.database import content_sha256, steady
from cutis.follow_up.errors import FollowUpError, StoreError
from cutis.follow_up.tables import EventRow, StoreRow, VersionRow

FIRST = "0" * 64
"""What stands before the first event."""

Kind = Literal[
    "created",
    "invited",
    "barred",
    "joined",
    "signed out",
    "patient added",
    "patient changed",
    "lesion added",
    "lesion changed",
    "photograph added",
    "photograph changed",
    "answered",
    "exported",
    "manifest exported",
    "erased",
]


class LoggedEvent(NamedTuple):
    """An event as it stands in the history. ``subject``: random id of what it is about; ``person``: who did it."""

    sequence: int
    at: datetime
    person: str | None
    subject: str | None
    kind: str
    details: dict[str, Any]
    previous: str
    hash: str


class Log:
    """Appends to the history within a writing transaction, which it makes wait for any other."""

    def __init__(self, connection: Connection, now: datetime, person: str | None = None) -> None:
        """Lock the history. ``person``: who acts; None for the command line.

        Raises:
            StoreError: the database holds no follow-up.
            FollowUpError: the server's clock went back.
            ValueError: ``now`` has no time zone.
        """
        self._connection = connection
        self._person = person
        key = connection.execute(select(StoreRow.key).with_for_update()).scalar_one_or_none()
        if key is None:
            raise StoreError("the database holds no follow-up", fix="Make one with `cutis follow-up create`.")
        self._key = key
        row = connection.execute(
            select(EventRow.sequence, EventRow.at, EventRow.hash).order_by(EventRow.sequence.desc()).limit(1)
        ).one_or_none()
        self._sequence = -1 if row is None else row.sequence
        self.head: str = FIRST if row is None else row.hash
        self.now = steady(now, None if row is None else row.at, FollowUpError)

    def append(self, kind: Kind, details: dict[str, Any], *, subject: str | None = None) -> None:
        """Append an event."""
        event = LoggedEvent(self._sequence + 1, self.now, self._person, subject, kind, details, self.head, "")
        event = event._replace(hash=event_hash(self._key, event))
        self._connection.execute(insert(EventRow), event._asdict())
        self._sequence, self.head = event.sequence, event.hash

    def keep(self, kind: Kind, subject: str, content: dict[str, Any]) -> int:
        """Keep the next version of a subject, and append its event.

        Returns:
            The version's number, from 1.
        """
        newest = select(func.max(VersionRow.version)).where(VersionRow.subject == subject)
        version = (self._connection.execute(newest).scalar_one_or_none() or 0) + 1
        salt = secrets.token_hex(32)
        row = {"subject": subject, "version": version, "salt": salt, "content": content}
        self._connection.execute(insert(VersionRow), row)
        self.append(kind, {"version": version, "sha256": salted_hash(salt, content)}, subject=subject)
        return version


def salted_hash(salt: str, content: dict[str, Any]) -> str:
    """What the history holds of a version."""
    return content_sha256({"salt": salt, "content": content})


def event_hash(store_key: str, event: LoggedEvent) -> str:
    """SHA-256, in hexadecimal, of an event and the hash before it; the event's own ``hash`` does not count."""
    told = {
        "store": store_key,
        "sequence": event.sequence,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "person": event.person,
        "subject": event.subject,
        "kind": event.kind,
        "details": event.details,
        "previous": event.previous,
    }
    return content_sha256(told)
