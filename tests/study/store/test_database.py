"""Opening a database, its migrations, and what it keeps by itself."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from cutis.database import content_sha256, migration_config
from cutis.study.store import ChainError, LoggedEvent, Store, StoreError, open_store, verify_chain
from cutis.study.store.database import SCHEMA
from cutis.study.store.events import event_hash
from cutis.study.store.models import Base, Event, Study

from .conftest import AIDED, START, UNAIDED, Room, design_of, room_in

MELANOMA_NAME = "Malignant melanocytic proliferation (melanoma)"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_migrations_make_what_the_models_say_and_take_it_away_again(
    kind: str, empty_database: Callable[[str], str]
) -> None:
    url = empty_database(kind)
    open_store(url).close()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        checks = {
            each["name"] for table in Base.metadata.tables for each in inspect(connection).get_check_constraints(table)
        }
        assert checks == {
            str(each.name)
            for table in Base.metadata.tables.values()
            for each in table.constraints
            if str(each.name).startswith("ck_")
        }
    with engine.begin() as connection:
        command.downgrade(migration_config(SCHEMA, connection), "base")
    with engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
        if kind == "postgresql":
            left = connection.execute(text("SELECT count(*) FROM pg_proc WHERE proname LIKE 'steps_%'")).scalar_one()
            assert left == 0
    engine.dispose()
    open_store(url).close()  # and make it again


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_study_of_the_first_version_opens_and_its_log_still_holds(
    kind: str, empty_database: Callable[[str], str]
) -> None:
    """What the AI said is one form now; the log's hash of the cases is of the form that they had."""
    url = empty_database(kind)
    store = open_store(url)
    room = room_in(store, design_of(arms=[UNAIDED, AIDED], reading="sequential", ai="built-in"))
    plain = room_in(store, design_of())
    store.close()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        command.downgrade(migration_config(SCHEMA, connection), "1")
        first = connection.execute(text("SELECT aid FROM cases ORDER BY study_id, place")).scalars().all()
        assert json.loads(str(first[0])) == {
            "differential": [["malignant-melanoma", 0.8125], ["nevus", 0.1875]],
            "risk": "dangerous",
            "heatmap_path": "/heatmaps/malignant-melanoma_main_0.png",
        }
        assert first[4:] == [None] * 4
        _as_the_first_version_logged(connection, kind)
        with pytest.raises(DBAPIError), connection.begin_nested():
            connection.execute(text("UPDATE cases SET truth = 'nevus'"))  # the rule holds again
    engine.dispose()
    store = open_store(url)
    for each in (room, plain):
        each.store = store
        verify_chain(store, each.study)
        each.sign_in()
    room.answer(room.show())
    room.show()
    case = room.page().case
    assert case is not None
    assert case.aid is not None
    assert case.aid.model_dump(exclude_none=True) == {
        "differential": (
            {"id": "malignant-melanoma", "name": MELANOMA_NAME, "probability": 0.8125},
            {"id": "nevus", "name": "Nevus", "probability": 0.1875},
        ),
        "risk": "dangerous",
        "heatmap": True,
    }
    verify_chain(store, room.study)
    with pytest.raises(IntegrityError):
        store.write(lambda connection: connection.execute(text("UPDATE cases SET truth = 'nevus'")))
    store.write(lambda connection: _without_rule(connection, kind))
    with pytest.raises(ChainError, match="the study's cases are others"):
        verify_chain(store, room.study)
    store.close()


def _as_the_first_version_logged(connection: Connection, kind: str) -> None:
    """Make the events ``created`` anew as that version wrote them, with a hash of the cases in their form."""
    rule = "DROP TRIGGER events_kept" if kind == "sqlite" else "ALTER TABLE events DISABLE TRIGGER events_kept"
    kept = ""
    if kind == "sqlite":
        kept = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = 'events_kept'")).scalar_one()
    connection.exec_driver_sql(rule)
    for study in connection.execute(text("SELECT id, key FROM studies")).all():
        columns = "case_id, place, part, stratum, image_path, truth, age, sex, site, aid"
        rows = connection.execute(text(f"SELECT {columns} FROM cases WHERE study_id = {study.id} ORDER BY place"))
        cases = [{**row, "aid": row["aid"] and json.loads(row["aid"])} for row in rows.mappings()]
        stored = connection.execute(
            select(*Event.__table__.c).where(Event.study_id == study.id, Event.chain == -1)
        ).one()
        details = {**stored.details, "cases_sha256": content_sha256(cases)}
        del details["cases_form"]
        event = LoggedEvent(-1, 0, stored.at, "created", details, stored.previous, "")
        values = {"details": details, "hash": event_hash(study.key, event)}
        connection.execute(
            Event.__table__.update().where(Event.study_id == study.id, Event.chain == -1).values(**values)
        )
    connection.exec_driver_sql(kept or "ALTER TABLE events ENABLE TRIGGER events_kept")


def _without_rule(connection: Connection, kind: str) -> None:
    connection.exec_driver_sql(f"DROP TRIGGER cases_kept{'' if kind == 'sqlite' else ' ON cases'}")
    connection.exec_driver_sql("UPDATE cases SET heatmap_path = '/heatmaps/another.png' WHERE place = 0")


def test_a_database_opened_again_holds_what_was_there(database: str, room: Room) -> None:
    again = open_store(database)
    with_times = again.read(lambda connection: connection.execute(select(Study.created_at)).scalars().all())
    assert with_times == [START]
    again.close()


def test_a_database_of_a_newer_cutis_is_refused(database: str, store: Store) -> None:
    store.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '99'")))
    with pytest.raises(StoreError, match="of another version"):
        open_store(database)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://host/db", "'mysql' is no database that cutis uses"),
        ("sqlite://", "would be lost"),
        ("postgresql://reader:secret@host:door/db", "is not valid"),
        ("postgresql://reader:secret@127.0.0.1:1/db", "cannot be opened"),
    ],
)
def test_what_cannot_be_opened_is_told_in_a_line_without_the_password(url: str, told: str) -> None:
    with pytest.raises(StoreError, match=told) as refused:
        open_store(url)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_database_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("these are notes, not a database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_store(tmp_path / "notes.db")
    with pytest.raises(StoreError, match="does not exist"):
        open_store(tmp_path / "nowhere" / "study.db")


def test_a_commit_is_on_the_disk(store: Store) -> None:
    def settings(connection: object) -> list[str]:
        names = ["PRAGMA synchronous", "PRAGMA journal_mode", "PRAGMA foreign_keys"]
        if not store.name.startswith("sqlite"):
            names = ["SHOW synchronous_commit", "SHOW timezone"]
        return [str(connection.execute(text(each)).scalar_one()) for each in names]  # type: ignore[attr-defined]

    wanted = ["2", "wal", "1"] if store.name.startswith("sqlite") else ["on", "UTC"]
    assert store.write(settings) == wanted


def test_times_come_back_in_utc_to_the_microsecond(store: Store, room: Room) -> None:
    tokyo = datetime(2031, 3, 2, 8, 30, 0, 123456, tzinfo=timezone(timedelta(hours=9)))

    def there_and_back(connection: object) -> datetime | None:
        connection.execute(Study.__table__.update().values(closed_at=tokyo))  # type: ignore[attr-defined]
        return connection.execute(select(Study.closed_at)).scalar_one()  # type: ignore[attr-defined, no-any-return]

    back = store.write(there_and_back)
    assert back == tokyo
    assert back is not None
    assert back.tzinfo == UTC
    with pytest.raises(StatementError, match="no time zone"):
        store.write(
            lambda connection: connection.execute(Study.__table__.update().values(closed_at=datetime(2031, 3, 2)))
        )


def test_what_another_process_holds_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cutis.database.connection.BUSY_SECONDS", 0)
    store = open_store(tmp_path / "study.db")
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="database is locked.*Nothing was changed"):
        store.write(lambda connection: None)
    other.close()
    store.close()


LATE, EARLY = "2031-03-01 23:00:00.000000", "2031-03-01 01:00:00.000000"
ON_SCREEN = "WHERE shown_at IS NOT NULL AND left_at IS NULL"
OVER = "WHERE outcome = 'answered'"


REFUSED = [
    # a step that is over stays as it is
    f"UPDATE steps SET answer = '{{}}' {OVER}",
    f"UPDATE steps SET outcome = 'timed out', answered_at = NULL, answer = NULL {OVER}",
    f"UPDATE steps SET left_at = NULL {OVER}",
    f"DELETE FROM steps {OVER}",
    # the clock of a step on the screen stays
    f"UPDATE steps SET shown_at = '2031-03-01 08:00:00.000000' {ON_SCREEN}",
    f"UPDATE steps SET due_at = NULL, accepted_until = NULL {ON_SCREEN}",
    f"UPDATE steps SET accepted_until = '2032-03-01 08:00:00.000000' {ON_SCREEN}",
    # nobody sent what was not answered, and only who may
    f"UPDATE steps SET sent_by = 'reader' {ON_SCREEN}",
    f"UPDATE steps SET sent_by = 'nurse' {ON_SCREEN}",
    # no answer without a time, after its time, before it was shown, or of another kind
    f"UPDATE steps SET outcome = 'answered' {ON_SCREEN}",
    f"UPDATE steps SET outcome = 'answered', answered_at = shown_at {ON_SCREEN}",
    f"UPDATE steps SET outcome = 'answered', answered_at = '{LATE}', answer = '{{}}' {ON_SCREEN}",
    f"UPDATE steps SET outcome = 'answered', answered_at = '{EARLY}', answer = '{{}}' {ON_SCREEN}",
    f"UPDATE steps SET outcome = 'skipped' {ON_SCREEN}",
    f"UPDATE steps SET left_at = shown_at {ON_SCREEN}",
    f"UPDATE steps SET outcome = 'timed out', answer = '{{}}' {ON_SCREEN}",
    # one step on the screen, in order
    "UPDATE steps SET shown_at = '2031-03-01 10:00:00.000000' WHERE place = 2 AND reader_id = 1",
    "UPDATE steps SET outcome = 'timed out' WHERE place = 2",
    "UPDATE steps SET reader_id = 2 WHERE reader_id = 1",
    "INSERT INTO steps (item_id, reader_id, number, place, arm, key) VALUES (1, 1, 0, 99, 'unaided', 'x')",
    "INSERT INTO steps (item_id, reader_id, number, place, arm, key) VALUES (1, 2, 1, 99, 'unaided', 'x')",
    "INSERT INTO steps (item_id, reader_id, number, place, arm, key) VALUES (1, 1, 2, 99, 'unaided', 'x')",
    # the log is only appended to, and nothing it rests on is changed
    "UPDATE events SET kind = 'answered'",
    "DELETE FROM events",
    "INSERT INTO events SELECT * FROM events",
    "UPDATE items SET case_id = 'another'",
    "DELETE FROM items",
    "UPDATE cases SET truth = 'nevus'",
    "DELETE FROM cases",
    "DELETE FROM readers",
    "DELETE FROM studies",
    # readers
    "UPDATE readers SET session_sha256 = 'a token, not its hash'",
    "UPDATE readers SET consented_at = NULL",
    "UPDATE readers SET withdrawn_at = added_at",
    "UPDATE readers SET name = 'R1'",
    "UPDATE readers SET study_id = 99",
]


def test_the_database_itself_refuses(room: Room) -> None:
    room.answer(room.show())
    room.wait(1)
    room.show()
    before = room.store.read(_everything)
    for statement in REFUSED:
        with pytest.raises(IntegrityError):
            room.store.write(lambda connection, each=statement: connection.exec_driver_sql(each))  # type: ignore[misc]
            pytest.fail(f"not refused: {statement}")
        assert room.store.read(_everything) == before, statement


def test_postgresql_refuses_to_empty_the_log(room: Room) -> None:
    if room.store.name.startswith("sqlite"):
        return  # it has no TRUNCATE
    for table in ("events", "steps, items CASCADE", "cases CASCADE"):
        with pytest.raises(DBAPIError, match="not deleted|only appended"):
            room.store.write(lambda connection, each=table: connection.exec_driver_sql(f"TRUNCATE {each}"))


def _everything(connection: object) -> list[object]:
    return [
        connection.execute(select(each).order_by(*each.primary_key.columns)).all()  # type: ignore[attr-defined]
        for each in Base.metadata.sorted_tables
    ]
