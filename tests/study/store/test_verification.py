"""The event log: whoever changes something in it, or in the answers, is found out, and where."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cutis.study.store import (
    ChainError,
    Store,
    StoreError,
    close_study,
    read_events,
    seal,
    verify_chain,
    verify_events_file,
    write_events,
)
from cutis.study.store.events import FIRST, event_hash
from cutis.study.store.verification import verify_events

from .conftest import Room, said


@pytest.fixture
def read_in(room: Room) -> Room:
    """R1 answered two cases and let one time out; R2 answered one; sealed."""
    for name in ("R1", "R2", "R1"):
        room.answer(room.show(name), said(confidence=30), name)
        room.wait(2)
    room.show()
    room.wait(60)
    room.page()
    seal(room.store, room.study, room.now)
    return room


TRIGGERS = ("events_kept", "events_not_deleted", "steps_kept", "cases_kept", "items_kept")


def tamper(store: Store, *statements: str) -> None:
    """Change the database as its owner can: without the triggers."""

    def work(connection: object) -> None:
        for each in TRIGGERS:
            table = each.split("_")[0]
            on = "" if store.name.startswith("sqlite") else f" ON {table}"
            connection.exec_driver_sql(f"DROP TRIGGER {each}{on}")  # type: ignore[attr-defined]
        for statement in statements:
            connection.exec_driver_sql(statement)  # type: ignore[attr-defined]

    store.write(work)


def test_a_log_that_nobody_touched_is_whole(read_in: Room) -> None:
    found = verify_chain(read_in.store, read_in.study)
    events = read_events(read_in.store, read_in.study)
    assert (found.events, found.seals) == (len(events), 1)
    assert sorted(found.heads) == [-1, 0, 1]
    first = events[0]
    assert (first.kind, first.sequence, first.previous) == ("created", 0, FIRST)
    last = close_study(read_in.store, read_in.study, read_in.now)
    closed = verify_chain(read_in.store, read_in.study)
    assert (closed.heads[-1], closed.seals) == (last, 2)


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (
            ["UPDATE events SET details = replace(details, '30', '31') WHERE kind = 'answered' AND chain = 1"],
            r"event 6 of the chain of reader 1 \('answered'.*content does not fit its hash",
        ),
        (
            ["UPDATE events SET at = '2031-03-01 08:00:00.000000+00' WHERE chain = 0 AND sequence = 5"],
            r"event 5 of the chain of reader 0 \('shown'.*content does not fit",
        ),
        (
            ["DELETE FROM events WHERE chain = 0 AND sequence = 6"],
            "event 7 of the chain of reader 0.*event 6 is missing before it",
        ),
        (
            [
                "DELETE FROM events WHERE chain = 0 AND sequence = 6",
                "UPDATE events SET sequence = 6 WHERE chain = 0 AND sequence = 7",
            ],
            "event 6 of the chain of reader 0.*not bound to the event before",
        ),
        (
            ["DELETE FROM events WHERE chain = 1 AND sequence = 6"],
            "event 1 of the study's chain .'sealed'.*event 6 of the chain of reader 1, which it sealed, is gone",
        ),
        (
            ["UPDATE steps SET answer = replace(answer, 'malignant', 'benign') WHERE reader_id = 2 AND place = 0"],
            r"event 6 of the chain of reader 1 \('answered'.*case 0, step 0, .*is not what the log tells",
        ),
        (
            ["UPDATE steps SET answered_at = '2031-03-01 09:00:01.000000+00' WHERE place = 0 AND reader_id = 1"],
            r"event 6 of the chain of reader 0.*is not what the log tells",
        ),
        (
            ["UPDATE cases SET truth = 'nevus' WHERE place = 0"],
            r"event 0 of the study's chain \('created'.*cases are others",
        ),
        (
            ["UPDATE studies SET design = replace(design, '45', '90')"],
            "event 0 of the study's chain.*design is another",
        ),
        (
            ["UPDATE items SET arm = 'aided' WHERE position = 3 AND reader_id = 2"],
            r"event 0 of the chain of reader 1 \('added'.*cases are others",
        ),
    ],
)
def test_the_first_broken_link_is_named(statements: list[str], told: str, read_in: Room) -> None:
    if read_in.store.name.startswith("sqlite"):
        statements = [each.replace("+00'", "'") for each in statements]
    tamper(read_in.store, *statements)
    with pytest.raises(ChainError, match=told) as refused:
        verify_chain(read_in.store, read_in.study)
    assert "\n" not in str(refused.value)


def test_an_answer_that_the_log_does_not_know_is_found(room: Room) -> None:
    room.show()
    tamper(room.store, "DELETE FROM events WHERE kind = 'shown'")
    with pytest.raises(ChainError, match="case 0, step 0, of the chain of reader 0 stands nowhere in the log"):
        verify_chain(room.store, room.study)


def test_a_log_can_be_checked_without_its_database(read_in: Room, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_events(read_in.store, read_in.study, path)
    assert verify_events_file(path) == verify_chain(read_in.store, read_in.study)
    lines = path.read_text().splitlines()
    assert len(lines) == 1 + len(read_events(read_in.store, read_in.study))
    number = next(place for place, line in enumerate(lines) if '"timed out"' in line)
    event = json.loads(lines[number])
    path.write_text("\n".join(lines[:number] + lines[number + 1 :]))
    with pytest.raises(ChainError, match=f"event {event['sequence']} of the chain of reader 0, which it sealed"):
        verify_events_file(path)


def test_an_event_fits_into_no_other_study(read_in: Room) -> None:
    events = read_events(read_in.store, read_in.study)
    with pytest.raises(ChainError, match="event 0 of the study's chain.*content does not fit"):
        verify_events("0" * 32, events)
    assert event_hash("0" * 32, events[0]) != events[0].hash


@pytest.mark.parametrize(
    "text", ["", "not JSON", "{}", '{"format": "other", "study": "x"}', "[]", '{"format":1,"study":2}\n[]']
)
def test_a_file_that_is_no_log_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text)
    with pytest.raises(ChainError, match="events.jsonl"):
        verify_events_file(path)
    with pytest.raises(ChainError, match="is no event log"):
        verify_events_file(tmp_path / "missing.jsonl")


def test_a_study_that_is_not_there_is_told(store: Store, tmp_path: Path) -> None:
    acts: list[Callable[[], object]] = [
        lambda: read_events(store, 7),
        lambda: verify_chain(store, 7),
        lambda: write_events(store, 7, tmp_path / "events.jsonl"),
    ]
    for act in acts:
        with pytest.raises(StoreError, match="there is no study 7"):
            act()
    assert not list(tmp_path.glob("*.jsonl"))
