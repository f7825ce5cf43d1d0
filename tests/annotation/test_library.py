"""Making and opening a library; its people; both databases."""

import stat
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from PIL import Image
from sqlalchemy import create_engine, inspect, text

from cutis.annotation.browse import Filters, diagnosis_counts, images_page
from cutis.annotation.database import SCHEMA, VERSION_TABLE, open_database
from cutis.annotation.errors import AccessError, AnnotationError, LibraryError
from cutis.annotation.history import verify
from cutis.annotation.library import create_library, opened_library
from cutis.annotation.people import invite, join, list_people, person_of, sign_out
from cutis.annotation.saving import annotated_image
from cutis.annotation.status import library_status
from cutis.annotation.tables import Base
from cutis.database import migration_config

from .conftest import START, Room, box, frame_of

PEOPLE = {"annotators": ["A", "B"], "curator": "K"}


def refused(tmp_path, frame, told, **options):
    with pytest.raises(AnnotationError, match=told) as error:
        create_library(frame, tmp_path / "library", START, **{"title": "T", **PEOPLE, **options})
    assert not (tmp_path / "library").exists()
    assert "\n" not in str(error.value)


def test_a_library_holds_the_manifest_and_only_its_owner_may_enter(room):
    assert stat.S_IMODE(room.library.path.stat().st_mode) == 0o700
    assert {each.name for each in room.library.path.iterdir()} >= {
        "cutis-library.toml",
        "library.db",
        "manifest.parquet",
    }
    found = annotated_image(room.library, room.people["A"], 2)
    assert (found.image_id, found.size, found.given.node) == ("IMAGE1", (64, 48), "nevus")
    assert found.given.boxes == (box(),)
    assert library_status(room.library).images == 6


def test_everything_that_is_wrong_is_told_before_anything_is_made(tmp_path, pictures):
    frame = frame_of(pictures, 3)
    refused(tmp_path, frame, "a library has two", annotators=["A"])
    refused(tmp_path, frame, "not different", annotators=["A", "k"])
    refused(tmp_path, frame, "not allowed as a name: '<b>', '../x'", annotators=["<b>", "../x"])
    refused(tmp_path, frame, "intersection over union", iou=0)
    refused(tmp_path, frame, "title", title=" ")
    refused(tmp_path, frame_of(pictures, 3, box_width=200), "3 boxes reach outside of their image: IMAGE0")
    refused(tmp_path, frame_of(pictures, 2, image_path=None), "2 rows have no image: IMAGE0, IMAGE1")
    refused(tmp_path, frame_of(pictures, 2, sex="yes"), "2 faults in rows")
    refused(tmp_path, frame_of(pictures, 1, image_id="a\x07b"), "control characters")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    refused(tmp_path, frame_of(pictures, 1, image_path=str(bad)), "1 images cannot be used: IMAGE0 .*is not an image")
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "mine.txt").write_text("mine")
    with pytest.raises(AnnotationError, match="nothing is overwritten"):
        create_library(frame, tmp_path / "library", START, title="T", **PEOPLE)


def test_a_turned_photograph_counts_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 30)).save(tmp_path / "turned.jpg", exif=exif)
    frame = frame_of(tmp_path, 1, image_path=str(tmp_path / "turned.jpg"))
    create_library(frame, tmp_path / "library", START, title="T", **PEOPLE)
    with opened_library(tmp_path / "library") as library:
        assert annotated_image(library, list_people(library.database)[0], 1).size == (30, 60)


def test_what_is_no_library_is_told(tmp_path, template):
    with (tmp_path / "cutis-library.toml").open("w") as file, pytest.raises(AnnotationError, match="another version"):
        file.write("format = 99\n")
        file.flush()
        opened_library(tmp_path).__enter__()
    with pytest.raises(AnnotationError, match="is no annotation library"):
        opened_library(tmp_path / "nowhere").__enter__()
    (tmp_path / "cutis-library.toml").write_text('format = 1\ndatabase = "library.db"\n')
    with pytest.raises(AnnotationError, match="Put the database back"):
        opened_library(tmp_path).__enter__()
    open_database(tmp_path / "library.db").close()
    with pytest.raises(LibraryError, match="holds no library"):
        opened_library(tmp_path).__enter__()
    for url in ("mysql://x/y", "sqlite://", "postgresql://[", f"sqlite:///{tmp_path}/gone/x.db"):
        with pytest.raises(LibraryError):
            open_database(url)


def test_a_link_works_once_and_a_newer_one_voids_it(room):
    database = room.library.database
    old = invite(database, 1, START)
    new = invite(database, 1, START)
    with pytest.raises(AccessError, match="works once"):
        join(database, old, START)
    session = join(database, new, START)
    assert person_of(database, session).name == "A"
    with pytest.raises(AccessError):
        join(database, new, START)
    elsewhere = join(database, invite(database, 1, START), START)
    with pytest.raises(AccessError):  # continued elsewhere
        person_of(database, session)
    sign_out(database, elsewhere, START)
    sign_out(database, elsewhere, START)
    for each in (elsewhere, "", "' OR 1=1 --", "\ud800", new):
        with pytest.raises(AccessError):
            person_of(database, each)
    with pytest.raises(AccessError):
        invite(database, 99, START)
    kept = Path(room.library.path / "library.db").read_bytes()
    assert elsewhere.encode() not in kept
    assert new.encode() not in kept


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_migrations_make_what_the_tables_say_and_take_it_away_again(kind, tmp_path, request):
    url = f"sqlite:///{tmp_path}/x.db" if kind == "sqlite" else request.getfixturevalue("postgresql_database")
    open_database(url).close()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        options = {"compare_type": True, "version_table": VERSION_TABLE}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []
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
        assert set(inspect(connection).get_table_names()) == {VERSION_TABLE}
    engine.dispose()
    opened = open_database(url)
    opened.write(lambda connection: connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '99'")))
    opened.close()
    with pytest.raises(LibraryError, match="another version"):
        open_database(url)


def test_postgresql_does_the_same(tmp_path, pictures, postgresql_database):
    frame = frame_of(pictures, 4)
    create_library(frame, tmp_path / "one", START, title="T", database=postgresql_database, **PEOPLE)
    assert not (tmp_path / "one" / "library.db").exists()
    with pytest.raises(LibraryError, match="holds a library already"):
        create_library(frame, tmp_path / "two", START, title="T", database=postgresql_database, **PEOPLE)
    with opened_library(tmp_path / "one", postgresql_database) as library:
        room = Room(library, {each.name: each for each in list_people(library.database)})
        room.save("A", 1, node="nevus", quality=["hair"], boxes=[box()])
        room.save("A", 1, node="melanoma", quality=["hair"], boxes=[box()])
        room.save("B", 1, node="nevus", quality=["hair", "ink"])
        annotator, curator = room.people["A"], room.people["K"]
        assert [each.id for each in images_page(library, annotator, Filters(quality="hair"), 1).images] == [1]
        assert [each.id for each in images_page(library, curator, Filters(progress="disagreed"), 1).images] == [1]
        assert images_page(library, annotator, Filters(progress="to do", node="nevus"), 9).total == 1
        assert diagnosis_counts(library, annotator, Filters())["melanoma"] == 2
        room.save("K", 1, node="nevus")
        session = join(library.database, invite(library.database, 1, room.now), room.now)
        assert person_of(library.database, session).name == "A"
        assert verify(library).events == 7
        with pytest.raises(Exception, match="only appended"):
            library.database.write(lambda connection: connection.execute(text("TRUNCATE annotation_events")))
