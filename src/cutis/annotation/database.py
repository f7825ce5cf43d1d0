"""The database of a library."""

from pathlib import Path

from cutis.annotation.errors import LibraryError
from cutis.database import Database, Schema

VERSION_TABLE = "annotation_version"

SCHEMA = Schema(keeps="a library", migrations=Path(__file__).parent / "migrations", error=LibraryError)


def open_database(url: str | Path) -> Database:
    """Open a database; make its tables, or bring them up to date, where that is needed.

    Args:
        url: a file (``library.db``), ``sqlite:///library.db`` or ``postgresql://user:password@host/database``.

    Raises:
        LibraryError: it cannot be opened, or was made by a newer cutis.
    """
    return Database(url, SCHEMA)
