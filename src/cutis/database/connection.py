"""Opening a database: a SQLite file or PostgreSQL, by URL, with the same code."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cutis.errors import CutisError

T = TypeVar("T")

BUSY_SECONDS = 10
"""How long a transaction waits for another process before it gives up."""

_ADVISORY_LOCK = 0x6375746973  # "cutis": one process at a time migrates a PostgreSQL database


@dataclass(frozen=True)
class Schema:
    """What one room keeps in its database.

    Attributes:
        keeps: what a user calls it, e.g. ``"a study"``.
        migrations: the folder with Alembic's ``env.py`` and ``versions``.
        error: what is raised where the database is at fault.
    """

    keeps: str
    migrations: Path
    error: type[CutisError]


class Database:
    """An open database; to be shared by all threads of a process.

    Its tables are made, or brought up to date, where that is needed. SQLite commits with ``synchronous=FULL`` and a
    write-ahead log, PostgreSQL with ``synchronous_commit=on``: what is acknowledged outlives a crash.

    Args:
        url: a file (``study.db``), ``sqlite:///study.db`` or ``postgresql://user:password@host/database``.
        schema: what is kept there.

    Raises:
        CutisError: of the schema's type: it cannot be opened, or was made by a newer cutis.
    """

    def __init__(self, url: str | Path, schema: Schema) -> None:
        self._schema = schema
        parsed = parsed_url(url, schema)
        self.name = parsed.render_as_string(hide_password=True)
        self._engine = _sqlite_engine(parsed, schema) if _is_sqlite(parsed) else _postgresql_engine(parsed)
        self._reading = self._engine.execution_options(
            **{"cutis_reads": True}
            if _is_sqlite(parsed)
            else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}  # one moment for all of a page
        )
        self._migrate()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction; when this returns, it is on the disk. What it raises undoes it.

        Raises:
            CutisError: of the schema's type: the database cannot be reached, is busy or full.
        """
        return self._do(lambda: self._transact(work))

    def read(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction that only reads: it waits for no writer.

        Raises:
            CutisError: of the schema's type: the database cannot be reached.
        """

        def reading() -> T:
            with self._reading.begin() as connection:
                return work(connection)

        return self._do(reading)

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    def _transact(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    def _do(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (OperationalError, PoolTimeoutError) as error:
            raise self._schema.error(
                f"the database does not answer ({_first_line(error)})",
                where=self.name,
                fix="Nothing was changed; try again, and see that it runs, that no other program holds it and that "
                "its disk is not full.",
            ) from error

    def _migrate(self) -> None:
        try:
            with self._engine.begin() as connection:  # SQLite: BEGIN IMMEDIATE, so that a second process waits here
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                command.upgrade(migration_config(self._schema, connection), "head")
        except CommandError as error:
            self.close()
            raise self._schema.error(
                f"the database is of another version ({_first_line(error)})",
                where=self.name,
                fix="Use the cutis that made it.",
            ) from error
        except DBAPIError as error:
            self.close()
            raise self._schema.error(
                f"the database cannot be opened ({_first_line(error)})",
                where=self.name,
                fix="Check the address, that the server runs and that you may write there.",
            ) from error


def migration_config(schema: Schema, connection: Connection | None = None) -> Config:
    """Alembic's settings for a room's migrations; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(schema.migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def parsed_url(url: str | Path, schema: Schema) -> URL:
    """The address of a database that cutis can use.

    Raises:
        CutisError: of the schema's type: it is none.
    """
    if isinstance(url, Path) or "://" not in url:
        return URL.create("sqlite", database=str(url))
    fix = "Write sqlite:///FILE or postgresql://USER@HOST/DATABASE."
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise schema.error("the address of the database is not valid", fix=fix) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise schema.error(f"'{parsed.drivername}' is no database that cutis uses", fix=fix)
    if _is_sqlite(parsed) and parsed.database in (None, "", ":memory:"):
        raise schema.error(f"{schema.keeps} in memory would be lost", fix="Name a file: sqlite:///FILE.")
    return parsed


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _postgresql_engine(url: URL) -> Engine:
    return create_engine(
        url,
        isolation_level="READ COMMITTED",  # with one row locked, a reader's or a library's, which is all a rule needs
        connect_args={"options": "-c synchronous_commit=on -c timezone=UTC", "connect_timeout": BUSY_SECONDS},
        pool_size=12,  # more at once than a server with a few cores gains from
        max_overflow=0,
        pool_pre_ping=True,
    )


def _sqlite_engine(url: URL, schema: Schema) -> Engine:
    folder = Path(str(url.database)).absolute().parent
    if not folder.is_dir():
        raise schema.error(f"the folder {folder} does not exist", where=str(url.database), fix="Make it first.")
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, pool_size=20, max_overflow=20)

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
