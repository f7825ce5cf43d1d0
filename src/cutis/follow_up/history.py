"""The check that nothing of the history, or of what is kept, was changed behind its back; and a patient's history."""

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from cutis.follow_up.errors import ChainError
from cutis.follow_up.events import FIRST, LoggedEvent, event_hash, salted_hash
from cutis.follow_up.kept import kept_contents
from cutis.follow_up.store import Store
from cutis.follow_up.tables import EventRow, LesionRow, PhotographRow, VersionRow

_COLUMNS = (
    EventRow.sequence,
    EventRow.at,
    EventRow.person,
    EventRow.subject,
    EventRow.kind,
    EventRow.details,
    EventRow.previous,
    EventRow.hash,
)


class Verified(NamedTuple):
    """What was checked and found whole. ``head``: the last hash, to be written down elsewhere."""

    events: int
    patients: int
    photographs: int
    erased: int
    head: str


class Change(NamedTuple):
    """A line of a patient's history. ``what``: the label of the lesion it is of; ``fields``: which were changed."""

    at: datetime
    person: str
    kind: str
    what: str
    fields: tuple[str, ...]


def verify(store: Store) -> Verified:
    """Check the whole history, and that records, photographs and answers are those it tells of.

    Raises:
        ChainError: something does not fit; the first fault is named.
    """
    return store.read(lambda connection: _verified(connection, store))


def patient_history(store: Store, patient: str) -> list[Change]:
    """All events of a patient, their lesions and photographs, the newest first."""
    return store.read(lambda connection: _history(connection, patient))


def _verified(connection: Connection, store: Store) -> Verified:
    told: dict[str, dict[int, str]] = {}
    erased: set[str] = set()
    previous, count = FIRST, 0
    rows = connection.execution_options(yield_per=2000).execute(select(*_COLUMNS).order_by(EventRow.sequence))
    for event in (LoggedEvent(*row) for row in rows):
        if event.sequence != count:
            raise _broken(event, f"event {count} is missing before it")
        if event.previous != previous:
            raise _broken(event, "it is not bound to the event before it")
        if event.hash != event_hash(store.key, event):
            raise _broken(event, "its content does not fit its hash")
        if count == 0 and event.kind != "created":
            raise _broken(event, "the history does not begin with the follow-up")
        previous, count = event.hash, count + 1
        if event.kind == "erased":
            for each in event.details["subjects"]:
                told.pop(each, None)
                erased.add(each)
        elif "version" in event.details and event.subject is not None:
            versions = told.setdefault(event.subject, {})
            if event.details["version"] != len(versions) + 1:
                raise _broken(event, "it is not the next version")
            versions[event.details["version"]] = event.details["sha256"]
    if count == 0:
        raise ChainError("the history is empty", where=store.database.name)
    newest = _check_versions(connection, told)
    patients = _check_tables(connection, newest)
    photographs = _check_pixels(connection, newest)
    return Verified(count, patients, photographs, len(erased), previous)


def _check_versions(connection: Connection, told: dict[str, dict[int, str]]) -> dict[str, tuple[int, dict[str, Any]]]:
    left = {(subject, version) for subject, versions in told.items() for version in versions}
    newest: dict[str, tuple[int, dict[str, Any]]] = {}
    for row in connection.execute(select(VersionRow.__table__).order_by(VersionRow.subject, VersionRow.version)):
        if told.get(row.subject, {}).get(row.version) != salted_hash(row.salt, row.content):
            raise _other(f"version {row.version} of {row.subject} is not what the history tells")
        left.discard((row.subject, row.version))
        newest[row.subject] = (row.version, row.content)
    if left:
        subject, version = min(left)
        raise _other(f"version {version} of {subject}, of which the history tells, is gone and was not erased")
    return newest


def _check_tables(connection: Connection, newest: dict[str, tuple[int, dict[str, Any]]]) -> int:
    kept = kept_contents(connection)
    for uid, (version, content) in newest.items():
        stands = kept.pop(uid, None)
        if stands is None or stands[0] != version:
            raise _other(f"{uid} is gone, or of another version than the history tells")
        if {name: each for name, each in content.items() if name != "small_sha256"} != stands[1]:
            raise _other(f"what is kept of {uid} is not what the history tells")
    if kept:
        raise _other(f"the history does not tell of {min(kept)}")
    return sum("number" in content for _, content in newest.values())


def _check_pixels(connection: Connection, newest: dict[str, tuple[int, dict[str, Any]]]) -> int:
    count = 0
    columns = (PhotographRow.uid, PhotographRow.jpeg, PhotographRow.small)
    for row in connection.execution_options(yield_per=8).execute(select(*columns)):  # a few photographs at a time
        content = newest[row.uid][1]
        found = hashlib.sha256(row.jpeg).hexdigest(), hashlib.sha256(row.small).hexdigest()
        if found != (content["sha256"], content["small_sha256"]):
            raise _other(f"the photograph {row.uid} is not the one of which the history tells")
        count += 1
    return count


def _history(connection: Connection, patient: str) -> list[Change]:
    lesions = select(LesionRow.uid, LesionRow.label).where(LesionRow.patient_uid == patient)
    labels = {row.uid: row.label for row in connection.execute(lesions)}
    photographs = select(PhotographRow.uid, PhotographRow.lesion_uid).where(PhotographRow.lesion_uid.in_(list(labels)))
    of_photographs = {row.uid: labels[row.lesion_uid] for row in connection.execute(photographs)}
    names = {patient: "", **labels, **of_photographs}
    contents: dict[tuple[str, int], dict[str, Any]] = {
        (row.subject, row.version): row.content
        for row in connection.execute(select(VersionRow.__table__).where(VersionRow.subject.in_(list(names))))
    }
    changes = []
    events = select(*_COLUMNS).where(EventRow.subject.in_(list(names))).order_by(EventRow.sequence.desc())
    for event in (LoggedEvent(*row) for row in connection.execute(events)):
        subject, version = event.subject or "", event.details.get("version", 0)
        before, now = contents.get((subject, version - 1), {}), contents.get((subject, version), {})
        fields = tuple(name for name in now if before and now[name] != before.get(name))
        changes.append(Change(event.at, event.person or "command line", event.kind, names[subject], fields))
    return changes


def _broken(event: LoggedEvent, problem: str) -> ChainError:
    return ChainError(
        f"the history is broken at event {event.sequence} ('{event.kind}', {event.at:%Y-%m-%d %H:%M:%S} UTC): "
        f"{problem}",
        fix="Do not rely on these data before it is known why; compare with a copy.",
    )


def _other(problem: str) -> ChainError:
    return ChainError(problem, fix="Do not rely on these data before it is known why; compare with a copy.")
