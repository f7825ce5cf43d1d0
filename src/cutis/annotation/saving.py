"""Saving an annotation: the newest version stands, those before it stay in the history; tabs do not overwrite."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from cutis.annotation.content import Annotation, Box, Size, checked_annotation, quality_bits
from cutis.annotation.errors import AccessError, ConflictError
from cutis.annotation.events import Kind, Log
from cutis.annotation.library import Library
from cutis.annotation.people import Person, people_in
from cutis.annotation.settlement import Settlement, State, settle
from cutis.annotation.tables import ImageRow, KeptRow
from cutis.database import AnyRow, canonical_json


class Kept(NamedTuple):
    """A person's newest annotation of an image. ``rests_on``: of an adjudication, the versions that it judged."""

    person: Person
    version: int
    at: datetime
    annotation: Annotation
    rests_on: dict[str, int] | None


class AnnotatedImage(NamedTuple):
    """An image with what is said of it.

    ``given``: by its manifest; empty for an annotator of a blind library. ``mine``: the asking person's own.
    ``others``: for the curator what the annotators say, in the order of their names' listing; for an annotator nothing.
    """

    id: int
    image_id: str
    image_path: str
    size: Size
    source: str | None
    image_type: str | None
    given: Annotation
    state: State | None
    mine: Kept | None
    others: tuple[Kept, ...]
    settlement: Settlement | None


class Saved(NamedTuple):
    """What an annotation is after it was saved."""

    version: int
    at: datetime
    annotation: Annotation


def annotated_image(library: Library, person: Person, image: int) -> AnnotatedImage:
    """An image as a person may see it: never another annotator's annotation.

    Args:
        library: open.
        person: who asks.
        image: its number in the library, from 1.

    Raises:
        AccessError: there is no such image.
    """

    def work(connection: Connection) -> AnnotatedImage:
        row = _image(connection, image)
        kept = kept_of(connection, image)
        curates = person.role == "curator"
        return AnnotatedImage(
            row.id,
            row.image_id,
            row.image_path,
            Size(row.width, row.height),
            row.source,
            row.image_type,
            Annotation() if library.blind and not curates else given_annotation(row),
            row.state if curates else None,
            next((each for each in kept if each.person.id == person.id), None),
            tuple(each for each in kept if each.person.role == "annotator") if curates else (),
            settled(kept, library.iou) if curates else None,
        )

    return library.database.read(work)


def save(
    library: Library,
    person: Person,
    image: int,
    given: Annotation,
    now: datetime,
    *,
    version: int,
    rests_on: Mapping[str, int] | None = None,
) -> Saved:
    """Save a person's annotation of an image. To save the same again changes nothing.

    Args:
        library: open.
        person: whose annotation it is.
        image: its number in the library, from 1.
        given: the annotation.
        now: the server's time.
        version: of the person's own annotation that was before them when they made this; 0: there was none.
        rests_on: for the curator, the annotators' versions that were before them: name = version.

    Raises:
        AccessError: there is no such image.
        AnnotationError: the annotation is not right.
        ConflictError: the person, or for a curator an annotator, has saved since.
    """

    def work(connection: Connection) -> Saved:
        log = Log(connection, now)
        return put(log, connection, library, person, image, given, version=version, rests_on=rests_on)

    return library.database.write(work)


def put(
    log: Log,
    connection: Connection,
    library: Library,
    person: Person,
    image: int,
    given: Annotation,
    *,
    version: int,
    rests_on: Mapping[str, int] | None = None,
    imported_from: str | None = None,
) -> Saved:
    """As :func:`save`, within a transaction that holds the history's lock."""
    row = _image(connection, image)
    annotation = checked_annotation(given, Size(row.width, row.height), row.image_id)
    kept = kept_of(connection, image)
    mine = next((each for each in kept if each.person.id == person.id), None)
    judged = {each.person.name: each.version for each in kept if each.person.role == "annotator"}
    curates = person.role == "curator"
    stands = 0 if mine is None else mine.version
    unchanged = mine is not None and mine.annotation == annotation and (not curates or mine.rests_on == judged)
    if mine is not None and unchanged:
        return Saved(mine.version, mine.at, mine.annotation)
    if version != stands:
        raise ConflictError(
            f"it was saved in the meantime (version {stands}, yours began from {version})",
            where=row.image_id,
            fix="Nothing was changed; look at what stands now.",
            version=stands,
        )
    if curates and imported_from is None and dict(rests_on or {}) != judged:
        raise ConflictError(
            "an annotator has saved in the meantime",
            where=row.image_id,
            fix="Nothing was changed; look at both annotations again.",
            version=stands,
        )
    content = annotation.model_dump(mode="json")
    values: dict[str, Any] = {
        "version": stands + 1,
        "at": log.now,
        "node": annotation.node,
        "confirm_type": annotation.confirm_type,
        "quality": quality_bits(annotation.quality),
        "content": content,
        "rests_on": judged if curates else None,
    }
    if mine is None:
        connection.execute(insert(KeptRow), {"image_id": image, "person_id": person.id, **values})
    else:
        connection.execute(
            update(KeptRow).where(KeptRow.image_id == image, KeptRow.person_id == person.id).values(**values)
        )
    told: dict[str, Any] = {"version": stands + 1, "annotation": content}
    kind: Kind = "adjudicated" if curates else "saved"
    if curates:
        told["rests_on"] = judged
    if imported_from is not None:
        kind, told["from"] = "imported", imported_from
    log.append(kind, told, person=person.name, image=row.image_id)
    stand = settled(kept_of(connection, image), library.iou)
    connection.execute(update(ImageRow).where(ImageRow.id == image).values(**state_values(stand)))
    return Saved(stands + 1, log.now, annotation)


def kept_of(connection: Connection, image: int) -> list[Kept]:
    """Everybody's newest annotation of an image, in the order of :func:`people_in`."""
    rows = {
        row.person_id: row
        for row in connection.execute(
            select(KeptRow.person_id, KeptRow.version, KeptRow.at, KeptRow.content, KeptRow.rests_on).where(
                KeptRow.image_id == image
            )
        )
    }
    return [
        Kept(each, row.version, row.at, annotation_from(row.content), row.rests_on)
        for each in people_in(connection)
        if (row := rows.get(each.id)) is not None
    ]


def settled(kept: list[Kept], iou: float) -> Settlement:
    """What the annotations of one image come to."""
    annotators = [each.annotation for each in kept if each.person.role == "annotator"]
    curator = next((each.annotation for each in kept if each.person.role == "curator"), None)
    return settle(annotators, curator, iou)


def state_values(stand: Settlement) -> dict[str, Any]:
    """What an image's row keeps of its settlement, to be searched by."""
    return {
        "state": stand.state,
        "diagnosis_settled": "diagnosis" in stand.settled,
        "settled_node": stand.annotation.node,
        "settled_confirm_type": stand.annotation.confirm_type,
        "quality": quality_bits(stand.annotation.quality),
    }


def given_annotation(row: AnyRow) -> Annotation:
    """What the manifest says of an image: a row with ``node``, ``confirm_type`` and ``box``."""
    boxes: tuple[Box, ...] = ()
    if row.box:
        left, top, width, height = row.box
        boxes = (Box(left=left, top=top, width=width, height=height),)
    return Annotation(node=row.node, confirm_type=row.confirm_type, boxes=boxes)


def annotation_from(content: Mapping[str, Any]) -> Annotation:
    """An annotation as the database keeps it."""
    return Annotation.model_validate_json(canonical_json(content))  # JSON's lists are tuples


def _image(connection: Connection, image: int) -> AnyRow:
    # A number that no database takes is no image either.
    row = (
        None
        if not 0 < image < 2**31
        else connection.execute(
            select(
                ImageRow.id,
                ImageRow.image_id,
                ImageRow.image_path,
                ImageRow.width,
                ImageRow.height,
                ImageRow.source,
                ImageRow.image_type,
                ImageRow.node,
                ImageRow.confirm_type,
                ImageRow.box,
                ImageRow.state,
            ).where(ImageRow.id == image)
        ).one_or_none()
    )
    if row is None:
        raise AccessError(f"there is no image {image}", fix="Go back to the library.")
    return row
