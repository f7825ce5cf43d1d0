"""The database of a follow-up."""

from pathlib import Path

from cutis.database import Database, Schema
from cutis.follow_up.errors import StoreError

VERSION_TABLE = "follow_up_version"

SCHEMA = Schema(keeps="a follow-up", migrations=Path(__file__).parent / "migrations", error=StoreError)


def open_database(url: str | Path) -> Database:
    """Open a database; make its tables, or bring them up to date, where that is needed.

    Args:
        url: a file (``follow_up.db``), ``sqlite:///follow_up.db`` or ``postgresql://user:password@host/database``.

    Raises:
        StoreError: it cannot be opened, or was made by a newer cutis.
    """
    return Database(url, SCHEMA)
