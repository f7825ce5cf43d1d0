"""A library: a folder that names its database, with a copy of the manifest it was made from."""

import hashlib
import re
import secrets
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import tomli_w
from PIL import Image
from sqlalchemy import Connection, insert, select
from sqlalchemy.engine import URL

from cutis.annotation.database import SCHEMA, open_database
from cutis.annotation.errors import AnnotationError, LibraryError
from cutis.annotation.events import Log
from cutis.annotation.tables import ImageRow, LibraryRow, PersonRow
from cutis.data import check_images, check_manifest, write_manifest
from cutis.database import Database, content_sha256, parsed_url
from cutis.errors import listed
from cutis.files import replacing_folder, write_text

FILE = "cutis-library.toml"
DATABASE = "library.db"
MANIFEST = "manifest.parquet"
_FORMAT = 1
_NAME = re.compile(r"[\w][\w .-]{0,39}")

GIVEN = ("image_id", "image_path", "width", "height", "source", "image_type", "node", "confirm_type", "box", "cluster")
"""Of an image, what its manifest says and what never changes."""


class Library(NamedTuple):
    """An open library.

    ``path``: the folder, whole; ``blind``: annotators do not see the manifest's diagnosis, confirmation and box;
    ``iou``: two boxes agree from this intersection over union on.
    """

    path: Path
    database: Database
    key: str
    title: str
    blind: bool
    iou: float

    @property
    def manifest(self) -> Path:
        """The copy of the manifest it was made from."""
        return self.path / MANIFEST


def create_library(
    manifest: pl.DataFrame,
    path: str | Path,
    now: datetime,
    *,
    title: str,
    annotators: Sequence[str],
    curator: str,
    blind: bool = False,
    iou: float = 0.5,
    database: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Make a library of all images of a manifest. Everything is checked before anything is made.

    Args:
        manifest: with whole paths, as :func:`cutis.data.read_manifest` returns it.
        path: of the folder; it must not hold anything.
        now: the time, with its zone.
        title: for people.
        annotators: the names of the two who annotate; codes rather than names of persons.
        curator: the name of who adjudicates.
        blind: whether annotators do not see what the manifest says of diagnosis, confirmation and box.
        iou: two boxes agree from this intersection over union on; 0.5 is PASCAL VOC's (Everingham et al. 2010).
        database: by URL; None for a SQLite file in the folder.
        progress: called with the number of images just decoded.

    Returns:
        How many images it holds.

    Raises:
        AnnotationError: rows, names or images that are not right, all of a kind together; or the place is taken.
        LibraryError: the database cannot be opened, or holds a library already.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise AnnotationError("exists already; nothing is overwritten", where=str(path), fix="Name another with -o.")
    _check_names([*annotators, curator], len(annotators))
    if not title.strip() or len(title) > 200 or not title.isprintable():
        raise AnnotationError("the title is empty, too long or holds control characters", fix="Write it in one line.")
    if not 0 < iou <= 1:
        raise AnnotationError(f"an intersection over union of {iou:g} is not above 0 and up to 1", fix="Take 0.5.")
    rows = _image_rows(manifest, progress)
    with replacing_folder(path) as temporary:
        write_manifest(manifest, temporary / MANIFEST)
        write_text(temporary / FILE, tomli_w.dumps({"format": _FORMAT, "database": _kept_url(database)}))
        opened = open_database(database or temporary / DATABASE)
        try:
            sha256 = hashlib.sha256((temporary / MANIFEST).read_bytes()).hexdigest()
            people = [
                *({"name": each, "role": "annotator"} for each in annotators),
                {"name": curator, "role": "curator"},
            ]
            settings = {"title": title.strip(), "blind": blind, "iou": float(iou)}
            opened.write(lambda connection: fill(connection, rows, people, settings, sha256, now))
        finally:
            opened.close()
        temporary.chmod(0o700)
    path.chmod(0o700)  # photographs of patients and what is said of them
    return len(rows)


def fill(
    connection: Connection,
    rows: list[dict[str, Any]],
    people: list[dict[str, str]],
    settings: dict[str, Any],
    manifest_sha256: str,
    now: datetime,
) -> None:
    """Put a library into a database without one.

    Args:
        connection: of a writing transaction.
        rows: images, each with :data:`GIVEN`.
        people: each with ``name`` and ``role``.
        settings: ``title``, ``blind`` and ``iou``.
        manifest_sha256: of the manifest's file.
        now: the time, with its zone.

    Raises:
        LibraryError: there is one already.
    """
    if connection.execute(select(LibraryRow.id)).first() is not None:
        raise LibraryError(
            "the database holds a library already", fix="Name another database: each library has its own."
        )
    connection.execute(insert(LibraryRow), {"id": 1, "key": secrets.token_hex(16), "created_at": now, **settings})
    connection.execute(insert(PersonRow), people)
    unsettled = {
        "state": "untouched",
        "diagnosis_settled": False,
        "settled_node": None,
        "settled_confirm_type": None,
        "quality": 0,
    }
    connection.execute(insert(ImageRow), [{"id": n, **each, **unsettled} for n, each in enumerate(rows, 1)])
    told = {
        **settings,
        "people": people,
        "images": len(rows),
        "images_sha256": content_sha256([[each[name] for name in GIVEN] for each in rows]),
        "manifest_sha256": manifest_sha256,
    }
    Log(connection, now).append("created", told)


@contextmanager
def opened_library(path: str | Path, database: str | None = None) -> Iterator[Library]:
    """A library with its database open, closed again at the end.

    Args:
        path: the folder.
        database: by URL, with its password; None for the one the folder names.

    Raises:
        AnnotationError: it is no library, or its database file is gone.
        LibraryError: the database cannot be opened, or holds no library.
    """
    path = Path(path).resolve()
    url: str | Path = database or _named_database(path)
    if url == DATABASE:
        url = path / DATABASE
        if not url.is_file():
            raise AnnotationError("does not exist", where=str(url), fix="Put the database back from your back-up.")
    opened = open_database(url)
    try:
        row = opened.read(
            lambda connection: connection.execute(
                select(LibraryRow.key, LibraryRow.title, LibraryRow.blind, LibraryRow.iou)
            ).one_or_none()
        )
        if row is None:
            raise LibraryError("holds no library", where=opened.name, fix="Make one with `cutis annotate create`.")
        yield Library(path, opened, *row)
    finally:
        opened.close()


def _check_names(names: list[str], annotators: int) -> None:
    if annotators != 2:
        raise AnnotationError(f"{annotators} annotators are named, a library has two", fix="Name two with --annotator.")
    wrong = [f"'{each}'" for each in names if not _NAME.fullmatch(each)]
    if wrong:
        raise AnnotationError(
            f"not allowed as a name: {listed(wrong)}",
            fix="Use up to 40 letters, digits, spaces and _ . -, beginning with a letter or digit.",
        )
    if len({each.casefold() for each in names}) < len(names):
        raise AnnotationError(f"names are not different: {listed(names)}", fix="Two annotate, another adjudicates.")


def _image_rows(manifest: pl.DataFrame, progress: Callable[[int], None] | None) -> list[dict[str, Any]]:
    bad_rows = check_manifest(manifest)
    if bad_rows:
        raise AnnotationError(
            f"{len(bad_rows):,} faults in rows: {listed([str(each) for each in bad_rows])}",
            where="manifest",
            fix="Correct them; nothing was made.",
        )
    missing = manifest.filter(pl.col("image_path").is_null())["image_id"].to_list()
    if missing:
        raise AnnotationError(
            f"{len(missing):,} rows have no image: {listed(missing)}", where="manifest", fix="Leave these rows out."
        )
    odd = [repr(each) for each in manifest["image_id"] if not each.isprintable() or len(each) > 200]
    if odd:
        raise AnnotationError(
            f"{len(odd):,} image_id are too long or hold control characters: {listed(odd)}",
            where="manifest",
            fix="Give them plain ids.",
        )
    bad_images = check_images(manifest, progress)
    if bad_images:
        raise AnnotationError(
            f"{len(bad_images):,} images cannot be used: {listed([str(each) for each in bad_images])}",
            where="manifest",
            fix="Replace these files or leave the rows out; nothing was made.",
        )
    rows, outside = [], []
    for each in manifest.iter_rows(named=True):
        width, height = _upright_size(each["image_path"])
        box = [each[f"box_{name}"] for name in ("left", "top", "width", "height")]
        if None in box:
            box = []
        elif box[0] + box[2] > width or box[1] + box[3] > height:
            outside.append(f"{each['image_id']} ({width} × {height} pixels)")
        rows.append(
            {
                "image_id": each["image_id"],
                "image_path": str(Path(each["image_path"]).resolve()),
                "width": width,
                "height": height,
                "source": each["source"],
                "image_type": each["image_type"],
                "node": each["diagnosis_node"],
                "confirm_type": each["diagnosis_confirm_type"],
                "box": box or None,
                "cluster": _cluster(each),
            }
        )
    if outside:
        raise AnnotationError(
            f"{len(outside):,} boxes reach outside of their image: {listed(outside)}",
            where="manifest",
            fix="Correct box_left, box_top, box_width and box_height; nothing was made.",
        )
    return rows


def _upright_size(path: str) -> tuple[int, int]:
    with Image.open(path) as image:
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (image.height, image.width) if turned else (image.width, image.height)


def _cluster(row: dict[str, Any]) -> str:
    for name in ("patient_id", "lesion_id"):
        if row[name] is not None:
            return f"{name} {row['source'] or ''} {row[name]}"  # two data sets may use the same id
    return f"image_id {row['image_id']}"


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
        raise AnnotationError(
            f"is no annotation library (it holds no {FILE})", where=str(path), fix="Make one: cutis annotate create."
        ) from error
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"cannot be read ({error})", where=str(path / FILE), fix="Put it back.") from error
    if told.get("format") != _FORMAT or not isinstance(told.get("database"), str):
        raise AnnotationError("is of another version", where=str(path / FILE), fix="Use the cutis that made it.")
    return str(told["database"])
