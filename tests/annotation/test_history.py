"""The history: the database refuses to change it, and whoever goes behind its back is found out."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from cutis.annotation.errors import AnnotationError, ChainError
from cutis.annotation.history import verify
from cutis.annotation.people import invite, join

from .conftest import START, box


def change(room, *statements):
    def work(connection):
        for each in statements:
            connection.execute(text(each))

    room.library.database.write(work)


def used(room):
    room.save("A", 1, node="nevus", boxes=[box()])
    room.save("B", 1, node="nevus", boxes=[box(width=21)])
    room.save("A", 2, node="melanoma")
    room.save("K", 2, node="nevus")


def test_the_history_tells_everything_and_is_whole(room):
    used(room)
    session = join(room.library.database, invite(room.library.database, 1, room.now), room.now)
    assert len(session) == 43
    found = verify(room.library)
    assert found.events == 7
    assert len(found.head) == 64


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE annotation_events SET details = '{}'",
        "DELETE FROM annotation_events",
        "DELETE FROM annotation_kept",
        "DELETE FROM annotation_images",
        "UPDATE annotation_images SET node = 'melanoma', image_path = 'x'",
        "UPDATE annotation_kept SET node = 'melanoma'",
        "UPDATE annotation_kept SET version = 9",
    ],
)
def test_the_database_itself_refuses_to_forget(room, statement):
    used(room)
    with pytest.raises(IntegrityError):
        change(room, statement)
    verify(room.library)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE annotation_events SET details = replace(details, 'nevus', 'melanoma') WHERE sequence = 1", "event 1 "),
        ("UPDATE annotation_events SET person = 'B' WHERE sequence = 3", "content does not fit its hash"),
        ("UPDATE annotation_events SET at = '2030-01-01 00:00:00.000000' WHERE sequence = 2", "does not fit its hash"),
        ("DELETE FROM annotation_events WHERE sequence = 2", "event 2 is missing"),
        ("DELETE FROM annotation_events WHERE sequence = 4", "not what the history tells"),
        ("UPDATE annotation_kept SET node = 'melanoma' WHERE person_id = 2", "B's annotation of IMAGE0"),
        ("UPDATE annotation_kept SET content = replace(content, 'nevus', 'melanoma')", "not what the history tells"),
        ("DELETE FROM annotation_kept WHERE person_id = 3", "K's annotation of IMAGE1.* is gone"),
        ("UPDATE annotation_images SET node = 'melanoma'", "images are others"),
        ("UPDATE annotation_images SET image_path = '/etc/passwd' WHERE id = 3", "images are others"),
        ("UPDATE annotation_images SET settled_node = 'melanoma' WHERE id = 1", "state of IMAGE0"),
        ("UPDATE annotation_images SET state = 'agreed' WHERE id = 5", "state of IMAGE4"),
        ("UPDATE annotation_library SET iou = 0.1", "people or settings"),
        ("UPDATE annotation_people SET name = 'Z' WHERE name = 'A'", "people or settings"),
    ],
)
def test_whoever_goes_behind_its_back_is_found_out(room, statement, told):
    used(room)
    triggers = ("images_kept", "kept_in_order", "kept_not_deleted", "events_kept", "events_not_deleted")
    change(room, *(f"DROP TRIGGER annotation_{each}" for each in triggers), statement)
    with pytest.raises(ChainError, match=told):
        verify(room.library)


def test_a_clock_that_went_back_is_told_and_a_little_is_borne(room):
    room.save("A", 1, node="nevus")
    last = room.now
    room.now = last - timedelta(seconds=4)
    assert room.save("A", 2).at == last
    room.now = START - timedelta(hours=1)
    with pytest.raises(AnnotationError, match="clock.* is behind"):
        room.save("A", 3)
    with pytest.raises(ValueError, match="no time zone"):
        invite(room.library.database, 1, START.replace(tzinfo=None))
