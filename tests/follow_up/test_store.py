"""The folder and its database: made, opened, of the right shape."""

import stat

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cutis.errors import CutisError
from cutis.follow_up import FollowUpError, StoreError, create_store, opened_store
from cutis.follow_up.database import VERSION_TABLE
from cutis.follow_up.tables import Base

from .conftest import START


def test_a_folder_is_its_owners_alone_and_nothing_is_overwritten(tmp_path):
    create_store(tmp_path / "moles", START, title="Moles", curator="K1")
    assert stat.S_IMODE((tmp_path / "moles").stat().st_mode) == 0o700
    assert sorted(each.name for each in (tmp_path / "moles").iterdir() if "-" not in each.name) == [
        "erased.txt", "follow_up.db", "follow_up.toml",
    ]  # fmt: skip
    with pytest.raises(FollowUpError, match="nothing is overwritten"):
        create_store(tmp_path / "moles", START, title="Moles", curator="K1")
    for title, curator in (("", "K1"), ("Moles", "<K>"), ("a\nb", "K1")):
        with pytest.raises(FollowUpError):
            create_store(tmp_path / "other", START, title=title, curator=curator)
    assert not (tmp_path / "other").exists()


def test_what_is_no_follow_up_is_told(tmp_path, clinic):
    with pytest.raises(FollowUpError, match="is no follow-up"), opened_store(tmp_path):
        pass
    clinic.store.database.close()
    (clinic.store.path / "follow_up.db").unlink()
    with pytest.raises(FollowUpError, match="back-up"), opened_store(clinic.store.path):
        pass
    with pytest.raises(StoreError), opened_store(clinic.store.path, "mysql://x/y"):
        pass


@pytest.mark.parametrize("kind", ["clinic", "postgresql_clinic"])
def test_the_migration_makes_the_declared_tables(kind, request):
    room = request.getfixturevalue(kind)

    def different(connection):
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)

    assert room.store.read(different) == []


@pytest.mark.parametrize("kind", ["clinic", "postgresql_clinic"])
def test_the_database_itself_refuses_to_rewrite_history_and_answers(kind, request):
    room = request.getfixturevalue(kind)
    room.photograph(room.lesion(room.patient()))
    for statement in (
        "UPDATE follow_up_events SET kind = 'x'",
        "DELETE FROM follow_up_events",
        "UPDATE follow_up_versions SET content = '{}'",
        "UPDATE follow_up_answers SET answer = '{}'",
        "UPDATE follow_up_lesions SET status = 'x'",
    ):
        with pytest.raises((DBAPIError, CutisError)):
            room.store.write(lambda connection, statement=statement: connection.execute(text(statement)))


def test_the_address_of_the_database_is_never_shown(clinic):
    assert "follow_up.db" not in repr(clinic.store).replace(str(clinic.store.path), "")
    assert clinic.store.key not in repr(clinic.store)
