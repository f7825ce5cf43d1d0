"""The history of an image, and the check that nothing of it, or of what is kept, was changed behind its back."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from cutis.annotation.content import Annotation, Box
from cutis.annotation.errors import ChainError
from cutis.annotation.events import FIRST, LoggedEvent, event_hash
from cutis.annotation.library import GIVEN, Library
from cutis.annotation.people import people_in
from cutis.annotation.saving import Kept, annotation_from, settled, state_values
from cutis.annotation.settlement import settle
from cutis.annotation.tables import EventRow, ImageRow, KeptRow, LibraryRow
from cutis.database import content_sha256
from cutis.taxonomy import shipped_taxonomy

_COLUMNS = (
    EventRow.sequence,
    EventRow.at,
    EventRow.person,
    EventRow.image,
    EventRow.kind,
    EventRow.details,
    EventRow.previous,
    EventRow.hash,
)


class Change(NamedTuple):
    """A version of an annotation in words: who made it, when, and what is other than in the version before."""

    sequence: int
    at: datetime
    person: str
    kind: str
    version: int
    changes: tuple[str, ...]
    hash: str


class Verified(NamedTuple):
    """What was checked and found whole. ``head``: the last hash, to be written down elsewhere."""

    events: int
    head: str


def image_history(library: Library, image_id: str) -> list[Change]:
    """All versions of all annotations of an image, oldest first."""
    events = library.database.read(
        lambda connection: [
            LoggedEvent(*row)
            for row in connection.execute(
                select(*_COLUMNS).where(EventRow.image == image_id).order_by(EventRow.sequence)
            )
        ]
    )
    before: dict[str, Annotation] = {}
    changes = []
    for each in events:
        person = each.person or ""
        now = annotation_from(each.details["annotation"])
        told = differences(before.get(person, Annotation()), now)
        before[person] = now
        changes.append(
            Change(each.sequence, each.at, person, each.kind, each.details["version"], tuple(told), each.hash)
        )
    return changes


def differences(before: Annotation, now: Annotation) -> list[str]:
    """What is other in the second annotation, in words."""
    told = []
    if before.node != now.node:
        told.append(f"diagnosis: {_name(now.node)}")
    if before.confirm_type != now.confirm_type:
        told.append(f"confirmation: {now.confirm_type or 'none'}")
    if before.boxes != now.boxes:
        told.append("boxes: " + ("; ".join(box_words(each) for each in now.boxes) or "none"))
    if before.quality != now.quality:
        told.append("quality: " + (", ".join(now.quality) or "no tag"))
    if before.note != now.note:
        told.append(f"note: {now.note}" if now.note else "note: none")
    return told or ["nothing is other"]


def box_words(box: Box) -> str:
    """A box in words."""
    return f"{box.width} × {box.height} at {box.left}, {box.top}"


def verify(library: Library) -> Verified:
    """Check the whole history, and that images and annotations are those it tells of.

    Raises:
        ChainError: something does not fit; the first broken link is named.
    """
    return library.database.read(lambda connection: _verified(connection, library))


def _verified(connection: Connection, library: Library) -> Verified:
    told: dict[tuple[str, str], tuple[int, dict[str, Any], datetime, dict[str, int] | None]] = {}
    previous, count = FIRST, 0
    created: LoggedEvent | None = None
    rows = connection.execution_options(yield_per=2000).execute(select(*_COLUMNS).order_by(EventRow.sequence))
    for event in (LoggedEvent(*row) for row in rows):
        if event.sequence != count:
            raise _broken(event, f"event {count} is missing before it")
        if event.previous != previous:
            raise _broken(event, "it is not bound to the event before it")
        if event.hash != event_hash(library.key, event):
            raise _broken(event, "its content does not fit its hash")
        previous, count = event.hash, count + 1
        created = created or event
        if event.image is not None and event.person is not None:
            version = event.details["version"]
            if version != told.get((event.image, event.person), (0,))[0] + 1:
                raise _broken(event, "it is not the next version of the annotation")
            rests_on = event.details.get("rests_on")
            told[event.image, event.person] = (version, event.details["annotation"], event.at, rests_on)
    if created is None or created.kind != "created":
        raise ChainError("the history does not begin with the library", where=library.database.name)
    _check_images(connection, created)
    _check_kept(connection, library, told)
    return Verified(count, previous)


def _check_images(connection: Connection, created: LoggedEvent) -> None:
    columns = [getattr(ImageRow, name) for name in GIVEN]
    given = [list(row) for row in connection.execute(select(*columns).order_by(ImageRow.id))]
    row = connection.execute(select(LibraryRow.title, LibraryRow.blind, LibraryRow.iou)).one()
    people = [{"name": each.name, "role": each.role} for each in people_in(connection)]
    if content_sha256(given) != created.details["images_sha256"]:
        raise _broken(created, "the images are others than those it tells of")
    if people != created.details["people"] or any(
        created.details[name] != each for name, each in row._asdict().items()
    ):
        raise _broken(created, "the library's people or settings are others than those it tells of")


def _check_kept(connection: Connection, library: Library, told: dict[tuple[str, str], tuple[Any, ...]]) -> None:
    people = {each.id: each for each in people_in(connection)}
    columns = (KeptRow.person_id, KeptRow.version, KeptRow.at, KeptRow.content, KeptRow.rests_on)
    by_image: dict[str, list[Kept]] = {}
    for row in connection.execute(
        select(ImageRow.image_id.label("image"), *columns, KeptRow.node, KeptRow.confirm_type)
        .join(ImageRow, ImageRow.id == KeptRow.image_id)
        .order_by(KeptRow.image_id, KeptRow.person_id)
    ):
        person = people[row.person_id]
        version, content, at, rests_on = told.pop((row.image, person.name), (0, None, None, None))
        same = (row.version, row.content, row.at) == (version, content, at)
        fits = same and (row.node, row.confirm_type) == (row.content["node"], row.content["confirm_type"])
        if not fits or (rests_on is not None and row.rests_on != rests_on):
            raise ChainError(
                f"what is kept of {person.name}'s annotation of {row.image} is not what the history tells",
                where=library.database.name,
                fix="Do not use these data before it is known why; compare with a copy.",
            )
        by_image.setdefault(row.image, []).append(
            Kept(person, row.version, row.at, annotation_from(row.content), row.rests_on)
        )
    if told:
        image, name = next(iter(told))
        raise ChainError(
            f"{name}'s annotation of {image}, of which the history tells, is gone", where=library.database.name
        )
    nothing = state_values(settle((), None, library.iou))
    names = list(nothing)
    for row in connection.execute(select(ImageRow.image_id, *(getattr(ImageRow, name) for name in names))):
        kept = by_image.get(row.image_id)
        wanted = nothing if kept is None else state_values(settled(kept, library.iou))
        if any(getattr(row, name) != wanted[name] for name in names):
            raise ChainError(
                f"the state of {row.image_id} is not what its annotations come to", where=library.database.name
            )


def _name(node: str | None) -> str:
    if node is None:
        return "none"
    taxonomy = shipped_taxonomy()
    return taxonomy[node].name if node in taxonomy else node


def _broken(event: LoggedEvent, problem: str) -> ChainError:
    return ChainError(
        f"the history is broken at event {event.sequence} ('{event.kind}', {event.at:%Y-%m-%d %H:%M:%S} UTC): "
        f"{problem}",
        fix="Do not use these data before it is known why; compare with a copy.",
    )
