"""The folder of one study or several: which database holds them, and their photographs.

Addresses of pictures are kept relative to it, so it can be moved, copied for back-up and put back.
"""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import tomli_w
from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from cutis.errors import listed
from cutis.files import write_text
from cutis.study.cases import StudyCase
from cutis.study.design import StudyError
from cutis.study.store import Store, StudyInfo, answered_steps, list_studies, open_store

FILE = "cutis-study.toml"
DATABASE = "study.db"
_FORMAT = 1


class OpenFolder(NamedTuple):
    """A folder with its open database. ``path`` is whole."""

    path: Path
    store: Store

    def whole(self, kept: str | Path) -> Path:
        """The place of a picture whose address the database keeps."""
        return self.path / kept

    def study(self, study_id: int | None = None) -> StudyInfo:
        """The study of this id, or the only one.

        Raises:
            StudyError: there is none, or several and no id is given.
        """
        studies = list_studies(self.store)
        told = "; ".join(f"{each.id}: {each.title}" for each in studies)
        if not studies:
            raise StudyError("holds no study yet", where=str(self.path), fix="Make one with `cutis study create`.")
        if study_id is None and len(studies) > 1:
            raise StudyError(f"holds several studies ({told})", where=str(self.path), fix="Name one with --study.")
        found = [each for each in studies if study_id in (None, each.id)]
        if not found:
            raise StudyError(f"holds no study {study_id}", where=str(self.path), fix=f"There is {told}.")
        return found[0]

    def cases(self, study_id: int) -> list[StudyCase]:
        """A study's cases with the truth; their pictures by whole addresses."""
        cases, _ = answered_steps(self.store, study_id)
        return [each.model_copy(update={"image_path": str(self.whole(each.image_path))}) for each in cases]


def begin_study_folder(path: str | Path, database: str | None = None) -> None:
    """Write into an existing, empty folder which database it has, without the database's password.

    Args:
        path: the folder.
        database: by URL; None for a SQLite file in the folder.

    Raises:
        StudyError: it is no address of a database.
    """
    kept = DATABASE if database is None else _without_password(database)
    Path(path).chmod(0o700)  # the truth of every case is in it
    write_text(Path(path) / FILE, tomli_w.dumps({"format": _FORMAT, "database": kept}))


@contextmanager
def opened_study_folder(path: str | Path, database: str | None = None, *, new: bool = False) -> Iterator[OpenFolder]:
    """A study folder with its database open, closed again at the end.

    Args:
        path: the folder.
        database: by URL, with its password; None for the one the folder names.
        new: whether the folder was just begun, so that a SQLite file is to be made.

    Raises:
        StudyError: it is no study folder, or its database file is gone.
        StoreError: the database cannot be opened.
    """
    path = Path(path).resolve()
    url: str | Path = database or _named_database(path)
    if url == DATABASE:
        url = path / DATABASE
        if not new and not url.is_file():
            raise StudyError("does not exist", where=str(url), fix="Put the database back from your back-up.")
    store = open_store(url)
    try:
        yield OpenFolder(path, store)
    finally:
        store.close()


def missing_pictures(folder: OpenFolder) -> list[str]:
    """The pictures of all studies that are not there, as the database names them."""
    kept = [case for study in list_studies(folder.store) for case in answered_steps(folder.store, study.id)[0]]
    return [each.image_path for each in kept if not folder.whole(each.image_path).is_file()]


def check_pictures(folder: OpenFolder) -> None:
    """Raise StudyError if a picture of a study is not there."""
    missing = missing_pictures(folder)
    if missing:
        raise StudyError(
            f"{len(missing)} pictures are missing: {listed(missing)}",
            where=str(folder.path),
            fix="Put the folder back from your back-up.",
        )


def check_new_place(path: str | Path) -> None:
    """Raise StudyError where something lies already: no study and no result is overwritten."""
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StudyError("exists already; nothing is overwritten", where=str(path), fix="Name another place with -o.")


def _named_database(path: Path) -> str:
    try:
        told = tomllib.loads((path / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StudyError(
            f"is no study folder (it holds no {FILE})", where=str(path), fix="Make one with `cutis study create`."
        ) from error
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise StudyError(f"cannot be read ({error})", where=str(path / FILE), fix="Put it back.") from error
    if told.get("format") != _FORMAT or not isinstance(told.get("database"), str):
        raise StudyError("is of another version", where=str(path / FILE), fix="Use the cutis that made it.")
    return str(told["database"])


def _without_password(database: str) -> str:
    try:
        url = make_url(database)
    except ArgumentError:  # open_store takes the path of a file as well
        return str(Path(database).resolve())
    if url.get_backend_name() == "sqlite":
        inside = url.database and url.database != ":memory:"
        if not inside:
            raise StudyError(
                "a database in memory ends with the program", where=database, fix="Name a file, or leave it out."
            )
        return f"sqlite:///{Path(str(url.database)).resolve()}"
    query = url.difference_update_query(["password"]).query
    bare = URL.create(url.drivername, url.username, None, url.host, url.port, url.database, query)
    return bare.render_as_string(hide_password=False)
