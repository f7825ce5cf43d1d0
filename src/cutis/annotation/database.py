"""The database of a library: a SQLite file or PostgreSQL, by URL, with the same code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cutis.annotation.errors import LibraryError

T = TypeVar("T")

BUSY_SECONDS = 10
"""How long a transaction waits for another one before it gives up."""

VERSION_TABLE = "annotation_version"

_ADVISORY_LOCK = 0x616E6E6F74  # "annot": one process at a time migrates a PostgreSQL database


class Database:
    """An open database; to be shared by all threads of a process. Made by :func:`open_database`."""

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = engine
        self._reading = engine.execution_options(
            **{"cutis_reads": True}
            if engine.dialect.name == "sqlite"
            else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}  # one moment for all of a page
        )
        self.name = url.render_as_string(hide_password=True)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction; when this returns, it is on the disk. What it raises undoes it.

        Raises:
            LibraryError: the database cannot be reached, is busy or full.
        """
        return self._do(self._engine, work)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction that only reads: it waits for no writer.

        Raises:
            LibraryError: the database cannot be reached.
        """
        return self._do(self._reading, work)

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    def _do(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        try:
            with engine.begin() as connection:
                return work(connection)
        except (OperationalError, PoolTimeoutError) as error:
            raise LibraryError(
                f"the database does not answer ({_first_line(error)})",
                where=self.name,
                fix="Nothing was changed; try again, and see that it runs, that no other program holds it and that "
                "its disk is not full.",
            ) from error


def open_database(url: str | Path) -> Database:
    """Open a database; make its tables, or bring them up to date, where that is needed.

    SQLite commits with ``synchronous=FULL`` and a write-ahead log, PostgreSQL with ``synchronous_commit=on``: what is
    acknowledged outlives a crash.

    Args:
        url: a file (``library.db``), ``sqlite:///library.db`` or ``postgresql://user:password@host/database``.

    Raises:
        LibraryError: it cannot be opened, or was made by a newer cutis.
    """
    parsed = parsed_url(url)
    name = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() == "sqlite":
        engine = _sqlite_engine(parsed)
    else:
        engine = create_engine(
            parsed,
            isolation_level="READ COMMITTED",  # with the library's row locked, which is all that a rule needs
            connect_args={"options": "-c synchronous_commit=on -c timezone=UTC", "connect_timeout": BUSY_SECONDS},
            pool_pre_ping=True,
        )
    try:
        with engine.begin() as connection:  # SQLite: BEGIN IMMEDIATE, so that a second process waits here
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            command.upgrade(migration_config(connection), "head")
    except CommandError as error:
        engine.dispose()
        raise LibraryError(
            f"the database is of another version ({_first_line(error)})", where=name, fix="Use the cutis that made it."
        ) from error
    except DBAPIError as error:
        engine.dispose()
        raise LibraryError(
            f"the database cannot be opened ({_first_line(error)})",
            where=name,
            fix="Check the address, that the server runs and that you may write there.",
        ) from error
    return Database(engine, parsed)


def migration_config(connection: Connection | None = None) -> Config:
    """Alembic's settings for the migrations that lie in this package; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def parsed_url(url: str | Path) -> URL:
    """The address of a database that cutis can use.

    Raises:
        LibraryError: it is none.
    """
    if isinstance(url, Path) or "://" not in url:
        return URL.create("sqlite", database=str(url))
    fix = "Write sqlite:///FILE or postgresql://USER@HOST/DATABASE."
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise LibraryError("the address of the database is not valid", fix=fix) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise LibraryError(f"'{parsed.drivername}' is no database that cutis uses", fix=fix)
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise LibraryError("a library in memory would be lost", fix="Name a file: sqlite:///FILE.")
    return parsed


def _sqlite_engine(url: URL) -> Engine:
    folder = Path(str(url.database)).absolute().parent
    if not folder.is_dir():
        raise LibraryError(f"the folder {folder} does not exist", where=str(url.database), fix="Make it first.")
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, pool_size=10, max_overflow=20)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins no transaction by itself: ``begin`` below does
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS}000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("cutis_reads", False)
        # A writer says so at once: two that began as readers could each wait for the other.
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
