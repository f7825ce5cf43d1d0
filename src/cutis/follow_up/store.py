"""A follow-up: a folder that names its database. Photographs lie in the database, too.

In the database, since a photograph and what is said of it must come and go together: one transaction keeps both, one
deletes both, one copy backs up both, and no file is left behind by an interruption or in a thumbnail folder. The price
is a large database file: about 1 to 6 MB a photograph.
"""

import re
import secrets
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import psycopg
import tomli_w
from sqlalchemy import Connection, insert, select
from sqlalchemy.engine import URL

from cutis.database import Database, parsed_url
from cutis.files import replacing_folder, write_text
from cutis.follow_up.database import SCHEMA, open_database
from cutis.follow_up.errors import FollowUpError, StoreError
from cutis.follow_up.events import Log
from cutis.follow_up.tables import PersonRow, StoreRow

T = TypeVar("T")

FILE = "follow_up.toml"
DATABASE = "follow_up.db"
ERASED = "erased.txt"
_FORMAT = 1
_NAME = re.compile(r"[\w][\w .-]{0,39}")
_BUSY_SECONDS = 20


@dataclass(frozen=True)
class Store:
    """An open follow-up. ``path``: the folder, whole; ``url``: with its password; ``key``: in every hash."""

    path: Path
    database: Database
    url: URL = field(repr=False)
    key: str = field(repr=False)
    title: str

    def read(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction that only reads.

        Raises:
            StoreError: the database cannot be reached.
        """
        return self.database.read(work)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction; when this returns, it is on the disk. What it raises undoes it.

        What is deleted or replaced is overwritten with zeros (SQLite's ``secure_delete``).

        Raises:
            StoreError: the database cannot be reached, is busy or full.
        """

        def secured(connection: Connection) -> T:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            return work(connection)

        return self.database.write(secured)

    def scrub(self) -> None:
        """Take from the disk what was deleted before: SQLite's write-ahead log, PostgreSQL's dead rows.

        Raises:
            StoreError: somebody reads at the moment; nothing is lost, but traces may still lie on the disk.
        """
        try:
            if self.url.get_backend_name() == "sqlite":
                with closing(sqlite3.connect(str(self.url.database), timeout=_BUSY_SECONDS)) as connection:
                    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if busy:
                    raise sqlite3.OperationalError("the database is being read")
            else:
                plain = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
                with psycopg.connect(plain, autocommit=True) as connection_:
                    connection_.execute(f"SET lock_timeout = '{_BUSY_SECONDS}s'")
                    for table in ("versions", "answers", "photographs", "lesions", "patients"):
                        connection_.execute(f"VACUUM (FULL) follow_up_{table}")
        except (sqlite3.Error, psycopg.Error) as error:
            raise StoreError(
                f"erased, but traces may still lie on the disk ({' '.join(str(error).split())})",
                where=self.database.name,
                fix="Run `cutis follow-up erase FOLDER --again` when nobody uses it.",
            ) from error


def create_store(path: str | Path, now: datetime, *, title: str, curator: str, database: str | None = None) -> None:
    """Make an empty follow-up with its curator.

    Args:
        path: of the folder; it must not hold anything.
        now: the time, with its zone.
        title: for people.
        curator: name, a code rather than a person's name, of who invites others and erases.
        database: by URL; None for a SQLite file in the folder.

    Raises:
        FollowUpError: the place is taken, or a name is not right.
        StoreError: the database cannot be opened, or holds a follow-up already.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FollowUpError("exists already; nothing is overwritten", where=str(path), fix="Name another folder.")
    check_name(curator)
    if not title.strip() or len(title) > 200 or not title.isprintable():
        raise FollowUpError("the title is empty, too long or holds control characters", fix="Write it in one line.")

    def fill(connection: Connection) -> None:
        if connection.execute(select(StoreRow.id)).first() is not None:
            raise StoreError(
                "the database holds a follow-up already", fix="Name another database: each follow-up has its own."
            )
        connection.execute(
            insert(StoreRow), {"id": 1, "key": secrets.token_hex(16), "title": title.strip(), "created_at": now}
        )
        connection.execute(insert(PersonRow), {"name": curator, "role": "curator", "barred": False})
        Log(connection, now).append("created", {"title": title.strip(), "curator": curator})

    with replacing_folder(path) as temporary:
        temporary.chmod(0o700)
        write_text(temporary / FILE, tomli_w.dumps({"format": _FORMAT, "database": _kept_url(database)}))
        write_text(temporary / ERASED, "")
        opened = open_database(database or temporary / DATABASE)
        try:
            opened.write(fill)
        finally:
            opened.close()
    path.chmod(0o700)  # photographs of patients and what is said of them


@contextmanager
def opened_store(path: str | Path, database: str | None = None) -> Iterator[Store]:
    """A follow-up with its database open, closed again at the end.

    Args:
        path: the folder.
        database: by URL, with its password; None for the one the folder names.

    Raises:
        FollowUpError: it is no follow-up, or its database file is gone.
        StoreError: the database cannot be opened, or holds no follow-up.
    """
    path = Path(path).resolve()
    url: str | Path = database or _named_database(path)
    if url == DATABASE:
        url = path / DATABASE
        if not url.is_file():
            raise FollowUpError("does not exist", where=str(url), fix="Put the database back from your back-up.")
    opened = open_database(url)
    try:
        row = opened.read(lambda connection: connection.execute(select(StoreRow.key, StoreRow.title)).one_or_none())
        if row is None:
            raise StoreError("holds no follow-up", where=opened.name, fix="Make one with `cutis follow-up create`.")
        yield Store(path, opened, parsed_url(url, SCHEMA), row.key, row.title)
    finally:
        opened.close()


def check_name(name: str) -> None:
    """Check the name of somebody who may enter.

    Raises:
        FollowUpError: it is not allowed.
    """
    if not _NAME.fullmatch(name):
        raise FollowUpError(
            f"'{name[:60]}' is not allowed as a name",
            fix="Use up to 40 letters, digits, spaces and _ . -, beginning with a letter or digit.",
        )


def _kept_url(database: str | None) -> str:
    """What the folder's file names: without the password."""
    if database is None:
        return DATABASE
    url = parsed_url(database, SCHEMA)
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{Path(str(url.database)).resolve()}"
    bare = URL.create(url.drivername, url.username, None, url.host, url.port, url.database)
    return bare.render_as_string(hide_password=False)


def _named_database(path: Path) -> str:
    try:
        told = tomllib.loads((path / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FollowUpError(
            f"is no follow-up (it holds no {FILE})", where=str(path), fix="Make one: cutis follow-up create."
        ) from error
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise FollowUpError(f"cannot be read ({error})", where=str(path / FILE), fix="Put it back.") from error
    if told.get("format") != _FORMAT or not isinstance(told.get("database"), str):
        raise FollowUpError("is of another version", where=str(path / FILE), fix="Use the cutis that made it.")
    return str(told["database"])
